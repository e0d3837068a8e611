'use strict';

/**
 * Puts every function behind the alias `live`: the schedule, the URL, its permissions and the
 * destinations of failures follow the alias. To which version it points is not the template's to
 * say: what stands here never changes, so CloudFormation moves the alias neither forward nor, when
 * something fails, back to what a rollback had left. live-version.js decides it.
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
    for (const [name, { targetAlias }] of this.functions()) {
      Resources[targetAlias.logicalId] = {
        Type: 'AWS::Lambda::Alias',
        Properties: {
          FunctionName: { Ref: `${logical(name)}LambdaFunction` },
          FunctionVersion: '$LATEST',
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
