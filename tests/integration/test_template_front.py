"""CloudFront before the Function URL, off by default: what is in the template when it is on."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from handlers.http.admission import ORIGIN
from handlers.settings import OnDemandSettings
from tests.support.packaged import PREBUILT, package, serverless, template

DIGESTS = "c" * 64 + "," + "d" * 64
FRONT = {"front": "cloudfront", "originSha256": DIGESTS}
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/0a1b2c3d"
DOMAIN = {"domain": "forecasts.example.com", "certificate": CERTIFICATE}
RULES = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/ours/0a1b2c3d"


@pytest.fixture(scope="module")
def off(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return template(package(tmp_path_factory.mktemp("off")))


@pytest.fixture(scope="module")
def on_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package(tmp_path_factory.mktemp("on"), **FRONT, **DOMAIN, waf="rate")


@pytest.fixture(scope="module")
def on(on_file: Path) -> Any:
    return template(on_file)


def front(packaged: Any) -> dict[str, Any]:
    distribution: dict[str, Any] = packaged["Resources"]["Front"]["Properties"]
    config: dict[str, Any] = distribution["DistributionConfig"]
    return config


def settings_of(packaged: Any) -> OnDemandSettings:
    function = packaged["Resources"]["OnDemandLambdaFunction"]["Properties"]
    return OnDemandSettings.from_env(function["Environment"]["Variables"])


def test_off_nothing_is_before_the_url_and_the_function_asks_for_nothing(off: Any) -> None:
    kinds = {resource["Type"] for resource in off["Resources"].values()}
    assert not [kind for kind in kinds if re.search("CloudFront|WAF", kind)]
    assert settings_of(off).origin_sha256 is None


def test_on_that_is_all_that_changes(on: Any, off: Any) -> None:
    added = on["Resources"].keys() - off["Resources"].keys()
    assert {name for name in added if "LambdaVersion" not in name} == {"Front", "Rules"}
    both = on["Resources"].keys() & off["Resources"].keys()
    changed = {name for name in both if on["Resources"][name] != off["Resources"][name]}
    assert changed == {"OnDemandLambdaFunction"}


def test_what_comes_past_it_is_refused_by_the_secret_that_it_sends(on: Any) -> None:
    (origin,) = front(on)["Origins"]
    assert origin["OriginCustomHeaders"] == [
        {"HeaderName": ORIGIN.title(), "HeaderValue": "OriginSecret"}
    ]
    secret = on["Parameters"]["OriginSecret"]
    assert secret["Type"] == "AWS::SSM::Parameter::Value<String>"
    assert (secret["NoEcho"], secret["Default"]) == (
        True,
        "/financial-forecaster/dev/origin-secret",
    )
    assert settings_of(on).origin_sha256 == tuple(DIGESTS.split(","))


def test_it_speaks_tls_alone_to_both_sides_keeps_nothing_and_passes_all_on(on: Any) -> None:
    (origin,) = front(on)["Origins"]
    assert origin["DomainName"] == {
        "Fn::Select": [2, {"Fn::Split": ["/", "OnDemandLambdaFunctionUrl.FunctionUrl"]}]
    }
    assert origin["CustomOriginConfig"] == {
        "OriginProtocolPolicy": "https-only",
        "OriginSSLProtocols": ["TLSv1.2"],
    }
    behaviour = front(on)["DefaultCacheBehavior"]
    assert behaviour["ViewerProtocolPolicy"] == "https-only"
    assert {"GET", "HEAD", "OPTIONS", "POST"} < set(behaviour["AllowedMethods"])
    # AWS's own, by their numbers: CachingDisabled, AllViewerExceptHostHeader.
    assert behaviour["CachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    assert behaviour["OriginRequestPolicyId"] == "b689b0a8-53d0-40ab-baf2-68738e2966ac"
    assert "ForwardedValues" not in behaviour


def test_the_domain_has_its_certificate_and_without_one_cloudfront_s_name_is_used(on: Any) -> None:
    assert front(on)["Aliases"] == {"Fn::If": ["HasDomain", ["Domain"]]}
    certificate = front(on)["ViewerCertificate"]["Fn::If"]
    assert certificate[1]["AcmCertificateArn"] == "Certificate"
    assert certificate[1]["MinimumProtocolVersion"] == "TLSv1.2_2021"
    assert certificate[2] == {"CloudFrontDefaultCertificate": True}
    defaults = {name: on["Parameters"][name]["Default"] for name in ("Domain", "Certificate")}
    assert defaults == {"Domain": "forecasts.example.com", "Certificate": CERTIFICATE}
    assert on["Outputs"]["FrontDomain"]["Value"] == "Front.DomainName"


def test_who_asks_too_often_is_refused_and_no_sample_shows_a_key(on: Any) -> None:
    assert front(on)["WebACLId"] == "Rules.Arn"
    rules = on["Resources"]["Rules"]["Properties"]
    assert (rules["Scope"], rules["DefaultAction"]) == ("CLOUDFRONT", {"Allow": {}})
    (rate,) = rules["Rules"]
    assert rate["Action"] == {"Block": {}}
    assert rate["Statement"]["RateBasedStatement"]["AggregateKeyType"] == "IP"
    for told in (rate, rules):
        assert told["VisibilityConfig"]["SampledRequestsEnabled"] is False


def test_the_account_s_own_rules_or_none_may_stand_before_it(tmp_path: Path) -> None:
    given = template(package(tmp_path / "given", **FRONT, waf="given", webAcl=RULES))
    assert front(given)["WebACLId"] == RULES
    none = template(package(tmp_path / "none", "prod", **FRONT))
    assert "WebACLId" not in front(none)
    assert none["Parameters"]["OriginSecret"]["Default"].startswith("/financial-forecaster/prod/")
    for packaged in (given, none):
        assert "Rules" not in packaged["Resources"]


def test_rules_of_ours_are_made_where_cloudfront_takes_them_from_and_nowhere_else(
    tmp_path: Path,
) -> None:
    params = {**PREBUILT, **FRONT, "waf": "rate"}
    arguments = ("package", "--package", str(tmp_path), "--region", "eu-central-1")
    done = serverless(*arguments, stage="dev", params=params, environ={})
    assert done.returncode == 1
    assert "waf=rate: expected region us-east-1" in done.stdout + done.stderr
    params |= {"waf": "given", "webAcl": RULES}
    assert serverless(*arguments, stage="dev", params=params, environ={}).returncode == 0


def test_cfn_lint_finds_nothing(on_file: Path) -> None:
    lint = "import sys; from cfnlint.runner import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", lint, "--regions", "us-east-1", "--template", on_file],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
