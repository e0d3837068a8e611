'use strict';

const fs = require('node:fs');
const path = require('node:path');

// They come from SSM unless they are given, so they have no default.
const WITHOUT_DEFAULT = ['apiKeySha256', 'originSha256'];
const DIGESTS = ['SHA-256 digests joined by commas', /^[0-9a-f]{64}(\s*,\s*[0-9a-f]{64})*$/i];
const ARN = (service) => new RegExp(`^(|arn:aws[a-z-]*:${service}:.+)$`);
const ANY_WORD = /^\S+$/;
const WHOLE = (least, most) => (value) => /^\d+$/.test(value) && least <= +value && +value <= most;
const calendars = fs.readFileSync(path.join(__dirname, '..', 'calendars.yml'), 'utf8');
const LOG_DAYS = [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

// What each parameter may be, in words and as a test; a list names all that there are.
const VALUES = {
  image: ['build', 'prebuilt'],
  imageUri: ['nothing or repository@sha256:...', /^(|\S+@sha256:[0-9a-f]{64})$/],
  storage: ['new', 'kept'],
  lock: ['governance', 'compliance', 'none'],
  lockYears: ['1 to 99', WHOLE(1, 99)],
  sse: ['none', 'aes256', 'kms'],
  kmsKey: ['nothing or the ARN of a key', ARN('kms')],
  replica: ['none', 'bucket'],
  replicaBucket: ['nothing or the ARN of a bucket', /^(|arn:aws[a-z-]*:s3:::[a-z0-9.-]+)$/],
  signing: ['none', 'ssm'],
  tickers: ['tickers joined by commas', /^[A-Za-z0-9.^=-]+(,\s*[A-Za-z0-9.^=-]+)*$/],
  renamed: ['none or names as FB=META joined by commas', /^(none|[A-Za-z0-9.^-]+=[A-Za-z0-9.^-]+(,\s*[A-Za-z0-9.^-]+=[A-Za-z0-9.^-]+)*)$/],
  bars: ['a source of bars', ANY_WORD],
  universe: ['none or s3://bucket/key.csv', /^(none|s3:\/\/[a-z0-9.-]{3,63}\/[^\s*?]+)$/],
  shards: ['auto or 1 to 10000', (value) => value === 'auto' || WHOLE(1, 10000)(value)],
  shardConcurrency: ['1 to 1000', WHOLE(1, 1000)],
  rate: ['none or 1 to 6000', (value) => value === 'none' || WHOLE(1, 6000)(value)],
  checkBars: ['none or a source of bars', ANY_WORD],
  calendar: ['a code in infra/calendars.yml', (value) => calendars.includes(`\n"${value}":`)],
  auth: ['api-key', 'iam', 'none'],
  front: ['none', 'cloudfront'],
  domain: ['nothing or a name as forecasts.example.com', /^(|([a-z0-9-]+\.)+[a-z]{2,})$/],
  certificate: ['nothing or the ARN of a certificate in us-east-1', /^(|arn:aws[a-z-]*:acm:us-east-1:.+)$/],
  waf: ['none', 'rate', 'given'],
  webAcl: ['nothing or the ARN of rules for CloudFront', /^(|arn:aws[a-z-]*:wafv2:us-east-1:\d+:global\/webacl\/.+)$/],
  canary: ['none', 'tenth'],
  concurrency: ['reserved', 'shared'],
  alarmEmail: ['nothing or an address', /^(|[^\s@]+@[^\s@]+)$/],
  digest: ['none', 'mail'],
  budgetUsd: ['a number, 0 for no budget', /^\d+(\.\d+)?$/],
  logDays: [`any of ${LOG_DAYS.join(', ')}`, (value) => LOG_DAYS.includes(Number(value))],
  alarmTopic: ['nothing or the ARN of an SNS topic', ARN('sns')],
  reader: ['none', 'policy'],
  roleBoundary: ['nothing or the ARN of a policy', ARN('iam')],
  rolePath: ['nothing or a path as /forecasts/', /^(|\/[\w/+=,.@-]*\/)$/],
  tags: ['name=value joined by commas', /^(|[^=,\s][^=,]*=[^,]+(,[^=,\s][^=,]*=[^,]+)*)$/],
  protect: ['default', 'on', 'off'],
  apiKeySha256: DIGESTS,
  originSha256: DIGESTS,
};

/** Whether the new names are forecast and the old ones are not. */
function goesOn({ renamed, tickers }) {
  const names = tickers.split(',').map((name) => name.trim().toUpperCase());
  const pairs = renamed.split(',').map((pair) => pair.trim().toUpperCase().split('='));
  return renamed === 'none' || pairs.every(([before, now]) => names.includes(now) && !names.includes(before));
}

// What one value asks of the others.
const TOGETHER = [
  ['renamed', 'universe=none with it: the file of a universe says it in its column renamed_from', ({ renamed, universe }) => renamed === 'none' || universe === 'none'],
  ['renamed', 'the new names among tickers and the old ones not', (all) => all.universe !== 'none' || goesOn(all)],
  ['image=prebuilt', 'imageUri with it', ({ imageUri }) => imageUri],
  ['sse=kms', 'kmsKey with it', ({ kmsKey }) => kmsKey],
  ['replica=bucket', 'replicaBucket with it', ({ replicaBucket }) => replicaBucket],
  ['replica=bucket', 'storage=new: the rules of a kept bucket are its owner\'s', ({ storage }) => storage === 'new'],
  ['replica=bucket', 'another sse than kms, which S3 copies only with a key of its own there', ({ sse }) => sse !== 'kms'],
  ['front=cloudfront', 'auth=api-key or none: who signs, signs for the function\'s own URL', ({ auth }) => auth !== 'iam'],
  ['domain', 'front=cloudfront and certificate with it', ({ front, certificate }) => front === 'cloudfront' && certificate],
  ['waf=rate', 'front=cloudfront with it', ({ front }) => front === 'cloudfront'],
  ['waf=rate', 'region us-east-1, where CloudFront has its rules; elsewhere waf=given', ({ region }) => region === 'us-east-1'],
  ['waf=given', 'front=cloudfront and webAcl with it', ({ front, webAcl }) => front === 'cloudfront' && webAcl],
];

/** Refuses a `--param` that serverless.yml does not know or that has a value it cannot have. */
class KnownParams {
  constructor(serverless, options) {
    const { params } = serverless.configurationInput;
    const refuse = (message) => {
      throw new serverless.classes.Error(`--param: ${message}`);
    };
    const known = [...Object.keys(params.default), ...WITHOUT_DEFAULT];
    const given = [options.param ?? []].flat().map((pair) => pair.split(/=(.*)/s).slice(0, 2));
    const unknown = given.map(([name]) => name).filter((name) => !known.includes(name));
    if (unknown.length) refuse(`expected any of ${known.join(', ')}, got ${unknown.join(', ')}`);
    const written = { ...params.default, ...params[options.stage] };
    for (const [name, value] of [...Object.entries(written), ...given]) {
      const expected = findExpected(name, String(value));
      if (expected) refuse(`${name}: expected ${expected}, got ${JSON.stringify(value)}`);
    }
    const all = { ...written, ...Object.fromEntries(given), region: findRegion(options) };
    for (const [pair, expected, holds] of TOGETHER) {
      const [name, value] = pair.split('=');
      const is = value === undefined ? all[name] : String(all[name]) === value;
      if (is && !holds(all)) refuse(`${pair}: expected ${expected}`);
    }
  }
}

/** The region that serverless.yml resolves. */
function findRegion({ region }) {
  const { AWS_REGION, AWS_DEFAULT_REGION } = process.env;
  return region ?? AWS_REGION ?? AWS_DEFAULT_REGION ?? 'us-east-1';
}

/** What a parameter must be, in words, where the value is something else. */
function findExpected(name, value) {
  const rule = VALUES[name];
  if (!rule) return '';
  const [words, test] = rule;
  if (typeof test === 'string') return rule.includes(value) ? '' : `any of ${rule.join(', ')}`;
  return (test instanceof RegExp ? test.test(value) : test(value)) ? '' : words;
}

module.exports = KnownParams;
module.exports.VALUES = VALUES;
module.exports.WITHOUT_DEFAULT = WITHOUT_DEFAULT;
module.exports.findRegion = findRegion;
