'use strict';

const Deployed = require('./deployed.js');

const PLACE = 'after:aws:package:finalize:mergeCustomProviderResources';

/**
 * What the rules of an account ask of everything that is deployed in it, whatever that is: each is a
 * parameter, and where none is given the template is as it was.
 */
class AccountRules {
  constructor(serverless, options, utils, deployed = new Deployed(serverless)) {
    this.serverless = serverless;
    this.deployed = deployed;
    this.hooks = {
      'before:package:setupProviderConfiguration': () => this.tag(),
      [PLACE]: () => this.apply(),
      'after:deploy:deploy': () => this.protect(),
    };
  }

  get rules() {
    return this.serverless.service.custom.rules;
  }

  /** Tags beside ours, of the stack and so of all that is in it. */
  tag() {
    const { provider } = this.serverless.service;
    const pairs = (this.rules.tags ?? '').split(',').filter(Boolean);
    const tags = Object.fromEntries(pairs.map((pair) => pair.split(/=(.*)/s).slice(0, 2)));
    provider.tags = { ...tags, ...provider.tags };
    provider.stackTags = { ...tags, ...provider.stackTags };
  }

  apply() {
    const { roleBoundary, rolePath, alarmTopic } = this.rules;
    const { Resources } = this.serverless.service.provider.compiledCloudFormationTemplate;
    for (const { Type, Properties } of Object.values(Resources)) {
      if (Type === 'AWS::IAM::Role') {
        if (roleBoundary) Properties.PermissionsBoundary = roleBoundary;
        if (rolePath) Properties.Path = rolePath;
      }
      if (Type === 'AWS::CloudWatch::Alarm' && alarmTopic) {
        for (const actions of ['AlarmActions', 'OKActions']) {
          if (Properties[actions]) Properties[actions] = [...Properties[actions], alarmTopic];
        }
      }
    }
  }

  /** Lets nobody delete the stack by mistake; only said where it is asked for. */
  async protect() {
    const { protect } = this.rules;
    if (protect !== 'default') await this.deployed.protect(protect === 'on');
  }
}

module.exports = AccountRules;
