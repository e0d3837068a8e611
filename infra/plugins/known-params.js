'use strict';

// Comes from SSM unless it is given, so it has no default.
const WITHOUT_DEFAULT = ['apiKeySha256'];

/** Refuses a `--param` that serverless.yml does not know: a slip would go unnoticed. */
class KnownParams {
  constructor(serverless, options) {
    const known = [...Object.keys(serverless.configurationInput.params.default), ...WITHOUT_DEFAULT];
    const given = [options.param ?? []].flat().map((pair) => pair.split('=')[0]);
    const unknown = given.filter((name) => !known.includes(name));
    if (unknown.length) {
      throw new serverless.classes.Error(
        `--param: expected any of ${known.join(', ')}, got ${unknown.join(', ')}`,
      );
    }
  }
}

module.exports = KnownParams;
