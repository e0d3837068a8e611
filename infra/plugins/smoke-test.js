'use strict';

const { CloudFormationClient, DescribeStacksCommand } = require('@aws-sdk/client-cloudformation');
const {
  GetAliasCommand,
  InvokeCommand,
  LambdaClient,
  UpdateAliasCommand,
} = require('@aws-sdk/client-lambda');

// What each function is asked: all its parts and rights are in the answer. A daily run is safe to
// repeat: it publishes what is missing.
const EVENTS = { daily: {}, onDemand: { body: JSON.stringify({ ticker: 'SPY' }) }, verify: {} };
// It did its work; its source did not, and the catch-up runs complete the session. Or the record is
// damaged, which no deployment mends and none should have to wait for.
const NOT_OURS = ['IncompleteRun', 'RecordDamaged'];
const BEFORE = 'before the last deployment: ';

/**
 * Asks all functions, as deployed, before a deployment counts as done. If one does not answer as
 * it should, the aliases go back to where they pointed and the deployment fails. Otherwise each
 * alias notes the version before, which is where `forecaster rollback` points it. An alias that a
 * rollback left behind comes along again, also where nothing else changed.
 */
class SmokeTest {
  constructor(serverless, options, { log }) {
    this.serverless = serverless;
    this.log = log;
    this.hooks = {
      'before:deploy:deploy': () => this.remember(),
      'after:deploy:deploy': () => this.test(),
    };
  }

  async remember() {
    this.before = await this.liveVersions();
  }

  async test() {
    await this.bringAlong();
    const problems = [];
    for (const name of Object.keys(EVENTS)) problems.push(...(await this.ask(name)));
    if (problems.length) {
      await this.pointBack();
      throw new this.serverless.classes.Error(`The smoke test failed: ${problems.join('; ')}`);
    }
    await this.note();
    this.log.notice('All functions answer as they should');
  }

  async ask(name) {
    const FunctionName = this.functionName(name);
    try {
      const { FunctionError, Payload } = await this.send(
        new InvokeCommand({
          FunctionName,
          Qualifier: 'live',
          Payload: JSON.stringify(EVENTS[name]),
        })
      );
      const answer = JSON.parse(Buffer.from(Payload).toString());
      return this.judge(FunctionName, FunctionError, answer);
    } catch (error) {
      const paused = error.name === 'TooManyRequestsException' ? ' (paused? forecaster resume)' : '';
      return [`${FunctionName}: ${error.message}${paused}`];
    }
  }

  judge(name, failed, answer) {
    if (failed && NOT_OURS.includes(answer.errorType)) {
      this.log.warning(`${name}: ${answer.errorMessage}`);
      return [];
    }
    const unpublished = answer.statusCode === 503 && JSON.parse(answer.body).code === 'not_published';
    if (failed || (answer.statusCode >= 500 && !unpublished)) {
      return [`${name} answered ${JSON.stringify(answer).slice(0, 500)}`];
    }
    return [];
  }

  async bringAlong() {
    const deployed = await this.deployedVersions();
    for (const [name, version] of Object.entries(await this.liveVersions())) {
      if (version !== deployed[name]) await this.update(name, { FunctionVersion: deployed[name] });
    }
  }

  async pointBack() {
    const now = await this.liveVersions();
    for (const [name, version] of Object.entries(this.before)) {
      if (version === now[name]) continue;
      await this.update(name, { FunctionVersion: version });
      this.log.error(`${this.functionName(name)} is back at version ${version}`);
    }
  }

  async note() {
    const now = await this.liveVersions();
    const names = Object.keys(this.before);
    if (names.every((name) => this.before[name] === now[name])) return;
    for (const name of names) {
      await this.update(name, { Description: `${BEFORE}${this.before[name]}` });
    }
  }

  async liveVersions() {
    const versions = {};
    for (const name of Object.keys(EVENTS)) {
      try {
        const FunctionName = this.functionName(name);
        const alias = await this.send(new GetAliasCommand({ FunctionName, Name: 'live' }));
        versions[name] = alias.FunctionVersion;
      } catch (error) {
        if (error.name !== 'ResourceNotFoundException') throw error; // there is none before the first
      }
    }
    return versions;
  }

  async deployedVersions() {
    const provider = this.serverless.getProvider('aws');
    const stacks = new CloudFormationClient(await this.credentials());
    const StackName = provider.naming.getStackName();
    const { Stacks } = await stacks.send(new DescribeStacksCommand({ StackName }));
    const versions = {};
    for (const name of Object.keys(EVENTS)) {
      const key = provider.naming.getLambdaVersionOutputLogicalId(name);
      const { OutputValue } = Stacks[0].Outputs.find(({ OutputKey }) => OutputKey === key);
      versions[name] = OutputValue.split(':').pop();
    }
    return versions;
  }

  update(name, change) {
    const alias = { FunctionName: this.functionName(name), Name: 'live' };
    return this.send(new UpdateAliasCommand({ ...alias, ...change }));
  }

  functionName(name) {
    return this.serverless.service.getFunction(name).name;
  }

  async send(command) {
    this.client ||= new LambdaClient({
      ...(await this.credentials()),
      requestHandler: { requestTimeout: 910_000 }, // longer than the functions may take
    });
    return this.client.send(command);
  }

  // The framework's own where it has some, so that --aws-profile is heard.
  async credentials() {
    const provider = this.serverless.getProvider('aws');
    const config = provider.getAwsSdkV3Config ? await provider.getAwsSdkV3Config() : {};
    return { region: provider.getRegion(), ...config };
  }
}

module.exports = SmokeTest;
