'use strict';

const Deployed = require('./deployed.js');
const { WITHOUT_DEFAULT } = require('./known-params.js');

const PLACE = 'after:aws:package:finalize:mergeCustomProviderResources';
const KEY = 'Params';

/**
 * Says which parameters differ from those that are deployed: what is not given goes back to its
 * default, and nobody should find that out later. The template keeps them for the next deployment.
 */
class ChangedParams {
  constructor(serverless, options, { log }, deployed = new Deployed(serverless)) {
    this.serverless = serverless;
    this.options = options;
    this.log = log;
    this.deployed = deployed;
    this.hooks = {
      [PLACE]: () => this.keep(),
      'before:deploy:deploy': () => this.compare(),
    };
  }

  keep() {
    const template = this.serverless.service.provider.compiledCloudFormationTemplate;
    template.Metadata = { ...template.Metadata, [KEY]: this.params() };
  }

  async compare() {
    const before = (await this.deployed.template())?.Metadata?.[KEY];
    if (!before) return;
    const now = this.params();
    const names = [...new Set([...Object.keys(before), ...Object.keys(now)])];
    const changed = names
      .filter((name) => before[name] !== now[name])
      .map((name) => `${name} ${before[name] || 'nothing'} -> ${now[name] || 'nothing'}`);
    const said = changed.length ? `change: ${changed.join('; ')}` : 'are those that are deployed';
    this.log.notice(`Parameters ${said}`);
  }

  params() {
    const { params } = this.serverless.configurationInput;
    const stage = this.serverless.getProvider('aws').getStage();
    const given = [this.options.param ?? []].flat().map((pair) => pair.split(/=(.*)/s).slice(0, 2));
    const all = { ...params.default, ...params[stage], ...Object.fromEntries(given) };
    for (const name of WITHOUT_DEFAULT) delete all[name]; // a rotated key is no other parameter
    return Object.fromEntries(Object.entries(all).map(([name, value]) => [name, String(value)]));
  }
}

module.exports = ChangedParams;
