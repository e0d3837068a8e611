'use strict';

// As Hive names types, in the tables' columns -> as Trino does, in a view's.
const TRINO = { string: 'varchar', int: 'integer', timestamp: 'timestamp(3)' };
const PLACE = 'after:aws:package:finalize:mergeCustomProviderResources';

/**
 * Writes each view, of which the template has the SQL, as CREATE VIEW in Athena would: in the
 * catalog a view is a table whose text holds its SQL and its columns as base64.
 */
class AthenaViews {
  constructor(serverless) {
    this.serverless = serverless;
    this.hooks = { [PLACE]: () => this.encode() };
  }

  encode() {
    const { custom, provider } = this.serverless.service;
    for (const { Properties } of Object.values(
      provider.compiledCloudFormationTemplate.Resources,
    )) {
      const view = Properties?.TableInput;
      if (view?.TableType !== 'VIRTUAL_VIEW') continue;
      const document = {
        originalSql: view.ViewOriginalText,
        catalog: 'awsdatacatalog',
        schema: custom.database,
        columns: view.StorageDescriptor.Columns.map(({ Name, Type }) => ({
          name: Name,
          type: TRINO[Type] ?? Type,
        })),
      };
      const text = Buffer.from(JSON.stringify(document)).toString('base64');
      view.ViewOriginalText = `/* Presto View: ${text} */`;
    }
  }
}

module.exports = AthenaViews;
