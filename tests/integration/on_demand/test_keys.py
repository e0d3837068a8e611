"""The on-demand function: who may ask."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from handlers.local.invoke import LocalContext
from pipeline.errors import ConfigError
from pipeline.serving.api_keys import digest_key
from tests.support.builders import url_event
from tests.support.on_demand_events import KEY, OTHER_KEY, WINDOW, ColdStart, assert_problem


class TestKeys:
    @pytest.fixture
    def guarded(self, cold_start: ColdStart, store: Path) -> Any:
        digests = f" {digest_key(KEY).upper()} , {digest_key(OTHER_KEY)}"
        function = cold_start(FORECASTER_AUTH="api-key", FORECASTER_API_KEY_SHA256=digests)
        return lambda event: function.handler(event, LocalContext())

    @pytest.mark.parametrize("key", [KEY, OTHER_KEY])
    def test_each_of_several_keys_opens(self, guarded: Any, key: str) -> None:
        headers = {"X-Api-Key": key}
        assert guarded(url_event("POST", "/predict", WINDOW, headers))["statusCode"] == 200
        assert guarded(url_event("GET", "/forecasts", headers=headers))["statusCode"] == 200

    @pytest.mark.parametrize("key", ["\ud800", None, 5, [KEY]])
    def test_a_key_that_is_no_text_is_refused(self, guarded: Any, key: Any) -> None:
        event = url_event("GET", "/forecasts", headers={"x-api-key": key})
        assert_problem(guarded(event), 400, "bad_request")

    @pytest.mark.parametrize(
        "headers",
        [{}, {"x-api-key": ""}, {"x-api-key": KEY + "x"}, {"x-api-key": digest_key(KEY)},
         {"authorization": KEY}],
    )  # fmt: skip
    def test_without_a_valid_key_nothing_is_told(self, guarded: Any, headers: Any) -> None:
        for method, path in (("POST", "/predict"), ("GET", "/forecasts"), ("HEAD", "/")):
            answer = guarded(url_event(method, path, "{", headers))
            assert_problem(answer, 401, "unauthorized", "X-API-Key")
            assert "www-authenticate" in answer["headers"]

    def test_health_document_and_preflight_need_no_key(self, guarded: Any) -> None:
        for path in ("/health", "/openapi.json"):
            assert guarded(url_event("GET", path))["statusCode"] == 200
        assert guarded(url_event("OPTIONS", "/predict"))["statusCode"] == 204

    def test_who_may_invoke_the_function_itself_needs_no_key(self, guarded: Any) -> None:
        assert guarded({"body": json.dumps(WINDOW)})["statusCode"] == 200

    def test_a_key_is_never_written_anywhere(self, guarded: Any, capsys: Any) -> None:
        wrong = "fcast_wrong"
        answers = [
            guarded(url_event("POST", "/predict", WINDOW, {"x-api-key": key}))
            for key in (KEY, wrong)
        ]
        printed = capsys.readouterr()
        told = json.dumps(answers) + printed.out + printed.err
        for secret in (KEY, OTHER_KEY, wrong):
            assert secret not in told
            assert digest_key(secret) not in told

    def test_by_choice_no_key_is_asked_for(self, cold_start: ColdStart) -> None:
        function = cold_start(FORECASTER_AUTH="none")
        answer = function.handler(url_event("POST", "/predict", WINDOW), LocalContext())
        assert answer["statusCode"] == 200

    def test_with_iam_it_is_aws_that_must_name_who_signed(self, cold_start: ColdStart) -> None:
        function = cold_start(FORECASTER_AUTH="iam")
        event = url_event("POST", "/predict", WINDOW)
        assert_problem(function.handler(event, LocalContext()), 403, "forbidden", "signed")
        event["requestContext"]["authorizer"] = {"iam": {"userArn": "arn:aws:iam::1:user/n"}}
        assert function.handler(event, LocalContext())["statusCode"] == 200
        assert function.handler({"body": event["body"]}, LocalContext())["statusCode"] == 200

    @pytest.mark.parametrize("environ", [{}, {"FORECASTER_AUTH": "api-key"}])
    def test_without_keys_it_does_not_start(
        self, cold_start: ColdStart, monkeypatch: pytest.MonkeyPatch, environ: Any
    ) -> None:
        monkeypatch.delenv("FORECASTER_AUTH", raising=False)
        with pytest.raises(ConfigError, match="FORECASTER_API_KEY_SHA256: expected"):
            cold_start(**{"FORECASTER_AUTH": "api-key", **environ})
