'use strict';
// Runs deployments against a cloud in memory: scenarios as JSON in, what is live afterwards out.

const LiveVersion = require('../../infra/plugins/live-version.js');

class Cloud {
  constructor({ live, published, auths = {}, url = 'NONE', broken = [], rights = true, routes = ['/'], rings = [] }) {
    Object.assign(this, { live, published, auths, url, broken, rights, routes, rings });
    this.names = ['daily', 'verify', 'onDemand'];
    this.notes = {};
    this.asked = [];
    this.shares = [];
    this.startable = [];
    this.looks = 0;
  }
  async share(name, weights) {
    this.shares.push([name, weights]);
  }
  async ringing(alarms) {
    const look = this.looks++;
    if (this.broken.includes('cloudwatch') && look) throw new Error('no way to CloudWatch');
    return alarms.filter(() => this.rings.includes(look));
  }
  async authOf(name, version) {
    return this.auths[version];
  }
  async liveVersions() {
    return { ...this.live };
  }
  async publishedVersions() {
    return { ...this.published };
  }
  async point(name, version, note) {
    this.live[name] = version;
    if (note !== undefined) this.notes[name] = note;
  }
  async fitUrl(name) {
    this.url = this.auths[this.live[name]] === 'iam' ? 'AWS_IAM' : 'NONE';
  }
  async invoke(name, version, event) {
    this.asked.push([name, version, event.path ?? event.universe ?? event.shard?.toString() ?? '', event.body ?? (event.universe ? Object.keys(event).join() : '')]);
    if (this.broken.includes(name)) return { failed: true, answer: { errorType: 'Broken' } };
    if (this.broken.includes('unreachable')) throw new Error('no way there');
    if (event.path === '/openapi.json') {
      const get = {}, post = { requestBody: { content: { 'application/json': { example: { a: 1 } } } } };
      const paths = Object.fromEntries(this.routes.map((path) => [path, { get, post }]));
      return { failed: false, answer: { statusCode: 200, body: JSON.stringify({ paths }) } };
    }
    const wrong = this.broken.find((status) => status.startsWith?.(`${event.path} `));
    const [, statusCode, code] = wrong ? wrong.split(' ') : ['', '200', ''];
    return { failed: false, answer: { statusCode: Number(statusCode), body: JSON.stringify({ code }) } };
  }
  async mayStart(role, name) {
    this.startable.push(name);
    return this.rights;
  }
  async mayRun(role, machine) {
    this.startable.push(machine);
    return this.rights && !this.broken.includes(machine);
  }
  functionName(name) {
    return `f-${name}`;
  }
}

async function deploy({ url, fails, canary = 'none', universe = 'none', changes = {}, ...state }) {
  const cloud = new Cloud({ url, ...state });
  const service = {
    custom: { name: 'f', canary, universe, list: { universe: 'list', 'time.$': '$.time' } },
    getFunction: () => ({ environment: { FORECASTER_TICKERS: 'QQQ, SPY' } }),
  };
  const getProvider = () => ({ getRegion: () => 'us-east-1' });
  const log = { notice() {}, warning() {} };
  const waits = [];
  const wait = async (ms) => waits.push(ms);
  const { hooks } = new LiveVersion({ service, getProvider, classes: { Error } }, {}, { log }, cloud, wait);
  let error = '';
  try {
    await hooks['before:deploy:deploy']();
    Object.assign(cloud, changes); // what CloudFormation does
    Object.assign(cloud.live, changes.live);
    if (fails) throw new Error('CloudFormation failed');
    await hooks['after:deploy:deploy']();
  } catch (thrown) {
    error = thrown.message;
    await hooks.error();
  }
  const { live, notes, asked, shares, startable } = cloud;
  return { live, notes, asked, shares, startable, waits, url: cloud.url, error };
}

async function main() {
  const scenarios = JSON.parse(require('fs').readFileSync(0, 'utf8'));
  const done = {};
  for (const [name, scenario] of Object.entries(scenarios)) done[name] = await deploy(scenario);
  console.log(JSON.stringify(done));
}

main();
