'use strict';

const {
  CloudFormationClient,
  DescribeStacksCommand,
  GetTemplateCommand,
  UpdateTerminationProtectionCommand,
} = require('@aws-sdk/client-cloudformation');
const { CloudWatchClient, DescribeAlarmsCommand } = require('@aws-sdk/client-cloudwatch');
const { GetRoleCommand, IAMClient, SimulatePrincipalPolicyCommand } = require('@aws-sdk/client-iam');
const {
  AddPermissionCommand,
  GetAliasCommand,
  GetFunctionConfigurationCommand,
  GetFunctionUrlConfigCommand,
  InvokeCommand,
  LambdaClient,
  RemovePermissionCommand,
  UpdateAliasCommand,
  UpdateFunctionUrlConfigCommand,
} = require('@aws-sdk/client-lambda');

const LIVE = 'live';
const PATIENCE = 910_000; // ms; longer than the functions may take
// What a URL without IAM needs, under names that are ours and not the stack's.
const FOR_EVERYBODY = {
  'anybody-by-url': { Action: 'lambda:InvokeFunctionUrl', FunctionUrlAuthType: 'NONE' },
  'anybody-by-url-invoke': { Action: 'lambda:InvokeFunction', InvokedViaFunctionUrl: true },
};

/** What is deployed of a stage, in AWS: asked and changed here, decided elsewhere. */
class Deployed {
  constructor(serverless) {
    this.serverless = serverless;
    this.names = Object.keys(serverless.service.functions);
  }

  /** Version to which the alias `live` of each function points; without those that are not there. */
  async liveVersions() {
    const versions = {};
    for (const name of this.names) {
      const alias = await this.unlessMissing(new GetAliasCommand(this.live(name)));
      if (alias) versions[name] = alias.FunctionVersion;
    }
    return versions;
  }

  /** The template of the stack, nothing where there is none. */
  async template() {
    const client = new CloudFormationClient(await this.config());
    const StackName = this.provider.naming.getStackName();
    try {
      return JSON.parse((await client.send(new GetTemplateCommand({ StackName }))).TemplateBody);
    } catch (error) {
      if (error.name !== 'ValidationError') throw error;
      return undefined;
    }
  }

  /** Lets the stack be deleted, or not. */
  async protect(EnableTerminationProtection) {
    const client = new CloudFormationClient(await this.config());
    const StackName = this.provider.naming.getStackName();
    await client.send(
      new UpdateTerminationProtectionCommand({ StackName, EnableTerminationProtection }),
    );
  }

  /** Version that the stack published of each function; none where there is no whole stack. */
  async publishedVersions() {
    const { naming } = this.provider;
    const client = new CloudFormationClient(await this.config());
    const described = new DescribeStacksCommand({ StackName: naming.getStackName() });
    const { Stacks } = await client.send(described);
    const outputs = Object.fromEntries(
      (Stacks[0].Outputs ?? []).map(({ OutputKey, OutputValue }) => [OutputKey, OutputValue]),
    );
    const arns = this.names.map((name) => [name, outputs[naming.getLambdaVersionOutputLogicalId(name)]]);
    return Object.fromEntries(arns.filter(([, arn]) => arn).map(([name, arn]) => [name, arn.split(':').pop()]));
  }

  /** Points `live` to a version, with a note. */
  async point(name, FunctionVersion, note) {
    const Description = note === undefined ? {} : { Description: note };
    await this.send(new UpdateAliasCommand({ ...this.live(name), FunctionVersion, ...Description }));
  }

  /** Lets other versions, by their number, answer a share of the requests; by {} none any more. */
  async share(name, AdditionalVersionWeights) {
    const alias = await this.unlessMissing(new GetAliasCommand(this.live(name)));
    const shared = Object.keys(alias?.RoutingConfig?.AdditionalVersionWeights ?? {});
    if (!alias || (!shared.length && !Object.keys(AdditionalVersionWeights).length)) return;
    await this.send(new UpdateAliasCommand({ ...this.live(name), RoutingConfig: { AdditionalVersionWeights } }));
  }

  /** Which of these alarms ring. */
  async ringing(AlarmNames) {
    const client = new CloudWatchClient(await this.config());
    const asked = new DescribeAlarmsCommand({ AlarmNames, StateValue: 'ALARM' });
    return ((await client.send(asked)).MetricAlarms ?? []).map(({ AlarmName }) => AlarmName);
  }

  /** Who may ask a version, by its setting. */
  async authOf(name, Qualifier) {
    const FunctionName = this.functionName(name);
    const version = await this.send(new GetFunctionConfigurationCommand({ FunctionName, Qualifier }));
    return version.Environment.Variables.FORECASTER_AUTH;
  }

  /** The answer of a version, and whether the function failed. */
  async invoke(name, version, event) {
    const { FunctionError, Payload } = await this.send(
      new InvokeCommand({
        FunctionName: this.functionName(name),
        Qualifier: version,
        Payload: JSON.stringify(event),
      }),
    );
    return { failed: Boolean(FunctionError), answer: JSON.parse(Buffer.from(Payload).toString()) };
  }

  /** Makes the URL's AuthType and permissions those of the setting of the version that is live. */
  async fitUrl(name) {
    const url = await this.unlessMissing(new GetFunctionUrlConfigCommand(this.qualified(name)));
    if (!url) return;
    const AuthType = (await this.authOf(name, LIVE)) === 'iam' ? 'AWS_IAM' : 'NONE';
    if (url.AuthType === AuthType) return;
    for (const [StatementId, statement] of Object.entries(FOR_EVERYBODY)) {
      await this.unlessMissing(new RemovePermissionCommand({ ...this.qualified(name), StatementId }));
      if (AuthType !== 'NONE') continue;
      const everybody = { ...this.qualified(name), StatementId, Principal: '*', ...statement };
      await this.send(new AddPermissionCommand(everybody));
    }
    await this.send(new UpdateFunctionUrlConfigCommand({ ...this.qualified(name), AuthType }));
  }

  /** Whether IAM would let a role start what is live. */
  async mayStart(RoleName, name) {
    const { AliasArn } = await this.send(new GetAliasCommand(this.live(name)));
    return this.may(RoleName, 'lambda:InvokeFunction', () => AliasArn);
  }

  /** Whether IAM would let a role start a state machine. */
  async mayRun(RoleName, machine) {
    const region = this.provider.getRegion();
    return this.may(RoleName, 'states:StartExecution', (role) => {
      const [, partition, , , account] = role.split(':');
      return `arn:${partition}:states:${region}:${account}:stateMachine:${machine}`;
    });
  }

  async may(RoleName, action, locate) {
    const client = new IAMClient(await this.config());
    const { Role } = await client.send(new GetRoleCommand({ RoleName }));
    const { EvaluationResults } = await client.send(
      new SimulatePrincipalPolicyCommand({
        PolicySourceArn: Role.Arn,
        ActionNames: [action],
        ResourceArns: [locate(Role.Arn)],
      }),
    );
    return EvaluationResults.every(({ EvalDecision }) => EvalDecision === 'allowed');
  }

  functionName(name) {
    return this.serverless.service.getFunction(name).name;
  }

  live(name) {
    return { FunctionName: this.functionName(name), Name: LIVE };
  }

  qualified(name) {
    return { FunctionName: this.functionName(name), Qualifier: LIVE };
  }

  get provider() {
    return this.serverless.getProvider('aws');
  }

  async unlessMissing(command) {
    try {
      return await this.send(command);
    } catch (error) {
      if (error.name !== 'ResourceNotFoundException') throw error;
      return undefined;
    }
  }

  async send(command) {
    this.lambda ||= new LambdaClient({
      ...(await this.config()),
      requestHandler: { requestTimeout: PATIENCE },
    });
    return this.lambda.send(command);
  }

  // The framework's own credentials where it has some, so that --aws-profile is heard.
  async config() {
    const config = this.provider.getAwsSdkV3Config ? await this.provider.getAwsSdkV3Config() : {};
    return { region: this.provider.getRegion(), ...config };
  }
}

module.exports = Deployed;
