'use strict';

const Canary = require('./canary.js');
const Deployed = require('./deployed.js');
const { NOT_OURS, ask, askEveryRoute, judge } = require('./questions.js');

const BEFORE = 'before the last deployment: ';
const URL_OF = 'onDemand'; // the function that has a URL
const NUMBER = /^\d+$/;

/**
 * Decides what is live, whatever else fails: CloudFormation publishes versions and never moves the
 * alias `live`. A new version is asked first, by its number. If all answer as they should, `live`
 * goes there and notes the version before, which is where `forecaster rollback` points it. If not,
 * or if anything fails at all, `live` is where it was, and the URL lets in whom that version does.
 */
class LiveVersion {
  constructor(serverless, options, { log }, deployed = new Deployed(serverless), wait) {
    this.serverless = serverless;
    this.canary = new Canary(deployed, wait);
    this.log = log;
    this.deployed = deployed;
    this.hooks = {
      'before:deploy:deploy': () => this.remember(),
      'after:deploy:deploy': () => this.decide(),
      'error': () => this.before && this.settle(this.before),
    };
  }

  // A function's first alias points to what lies there, which the next deployment changes.
  async remember() {
    await this.deployed.share(URL_OF, {}); // of a deployment that was broken off
    const before = await this.deployed.liveVersions();
    const unnumbered = Object.keys(before).some((name) => !NUMBER.test(before[name]));
    const published = unnumbered ? await this.deployed.publishedVersions() : {};
    await this.settle({ ...before, ...published, ...numbered(before) });
    this.before = await this.deployed.liveVersions();
  }

  async decide() {
    const published = await this.deployed.publishedVersions();
    const problems = await this.ask(published);
    if (!problems.length) problems.push(...(await this.tryOnSome(published[URL_OF])));
    if (problems.length) {
      const known = numbered(this.before);
      this.before = { ...published, ...known };
      const stays = Object.keys(known).length ? ' Nothing was moved: what was live is live.' : '';
      throw new this.serverless.classes.Error(`The smoke test failed: ${problems.join('; ')}.${stays}`);
    }
    await this.settle(published, this.notes(published));
    this.log.notice('All functions answer as they should');
  }

  /** Brings `live` of each function to a version, and the URL to the setting of its version. */
  async settle(versions, notes = {}) {
    const live = await this.deployed.liveVersions();
    for (const name of Object.keys(live)) {
      const version = versions[name] ?? live[name];
      if (version === live[name] && notes[name] === undefined) continue;
      await this.deployed.point(name, version, notes[name]);
    }
    if (live[URL_OF]) await this.deployed.fitUrl(URL_OF);
  }

  // All are noted where any moves, so that they go back together.
  notes(published) {
    const before = numbered(this.before);
    const names = Object.keys(before);
    if (names.every((name) => before[name] === published[name])) return {};
    return Object.fromEntries(names.map((name) => [name, BEFORE + before[name]]));
  }

  async ask(versions) {
    const problems = [];
    for (const name of this.deployed.names) problems.push(...(await this.askFunction(name, versions[name])));
    if (problems.length === 0) problems.push(...(await this.askRoles()));
    return problems;
  }

  async askFunction(name, version) {
    try {
      const events = name === URL_OF ? await this.askAbout(version) : [this.event(name)];
      const problems = [];
      for (const event of events) problems.push(...(await this.askOnce(name, version, event)));
      return problems;
    } catch (error) {
      const paused = error.name === 'TooManyRequestsException' ? ' (paused? forecaster resume)' : '';
      return [`${this.deployed.functionName(name)}: ${error.message}${paused}`];
    }
  }

  // Of a universe the state machine asks: for the list of shards, and of each whether it is intact.
  event(name) {
    if (!this.ofUniverse) return {};
    if (name === 'verify') return { shard: 0 };
    const { 'time.$': time, ...list } = this.serverless.service.custom.list;
    return { ...list, time: new Date().toISOString() };
  }

  async askOnce(name, version, event) {
    const { failed, answer } = await this.deployed.invoke(name, version, event);
    if (failed && NOT_OURS.includes(answer.errorType)) this.log.warning(`${name}: ${answer.errorMessage}`);
    const problem = judge(failed, answer);
    const asked = event.path ? ` ${event.method} ${event.path}` : '';
    return problem ? [`${this.deployed.functionName(name)}${asked} ${problem}`] : [];
  }

  async askAbout(version) {
    const { failed, answer } = await this.deployed.invoke(URL_OF, version, ask('GET', '/openapi.json'));
    const ticker = this.serverless.service.getFunction('daily').environment.FORECASTER_TICKERS.split(',')[0];
    if (failed || answer.statusCode !== 200) return [ask('POST', '/predict', { ticker: ticker.trim() })];
    return askEveryRoute(JSON.parse(answer.body), ticker.trim());
  }

  // Not where who may ask changes: there is one URL, and it is of what is live.
  async tryOnSome(version) {
    const before = numbered(this.before)[URL_OF];
    const { canary, name } = this.serverless.service.custom;
    if (canary !== 'tenth' || !before || before === version) return [];
    const auths = await Promise.all([before, version].map((one) => this.deployed.authOf(URL_OF, one)));
    if (auths[0] !== auths[1]) return [];
    this.log.notice(`Version ${version} answers a tenth of the requests for five minutes`);
    return this.canary.watch(URL_OF, version, [`${name}-url-5xx`]);
  }

  async askRoles() {
    const region = this.serverless.getProvider('aws').getRegion();
    const { name: ours } = this.serverless.service.custom;
    const role = `${ours}-schedule-${region}`;
    const problems = [];
    for (const name of this.ofUniverse ? [] : ['daily', 'verify']) {
      if (!(await this.deployed.mayStart(role, name))) {
        problems.push(`${role} may not start ${this.deployed.functionName(name)}: expected lambda:InvokeFunction`);
      }
    }
    if (this.ofUniverse && !(await this.deployed.mayRun(role, `${ours}-universe`))) {
      problems.push(`${role} may not start ${ours}-universe: expected states:StartExecution`);
    }
    return problems;
  }

  get ofUniverse() {
    return this.serverless.service.custom.universe === 'many';
  }
}

function numbered(versions) {
  return Object.fromEntries(Object.entries(versions).filter(([, version]) => NUMBER.test(version)));
}

module.exports = LiveVersion;
