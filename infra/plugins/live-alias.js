'use strict';

/**
 * Puts every function behind the alias `live`: a deployment publishes a version and moves the
 * alias to it, a rollback moves the alias back. The schedule, the URL, its permissions and the
 * destinations of failures follow the alias.
 */
class LiveAlias {
  constructor(serverless) {
    this.serverless = serverless;
    this.hooks = {
      'before:package:compileFunctions': () => this.target(),
      'after:package:compileFunctions': () => this.compile(),
    };
  }

  // What the framework does for functions with provisioned concurrency, here for all.
  target() {
    for (const [name, definition] of this.functions()) {
      definition.targetAlias = { name: 'live', logicalId: `${logical(name)}LiveAlias` };
    }
  }

  compile() {
    const { Resources } = this.serverless.service.provider.compiledCloudFormationTemplate;
    for (const [name, { targetAlias, versionLogicalId }] of this.functions()) {
      Resources[targetAlias.logicalId] = {
        Type: 'AWS::Lambda::Alias',
        Properties: {
          FunctionName: { Ref: `${logical(name)}LambdaFunction` },
          FunctionVersion: { 'Fn::GetAtt': [versionLogicalId, 'Version'] },
          Name: targetAlias.name,
        },
      };
    }
  }

  functions() {
    return Object.entries(this.serverless.service.functions);
  }
}

function logical(name) {
  return name[0].toUpperCase() + name.slice(1);
}

module.exports = LiveAlias;
