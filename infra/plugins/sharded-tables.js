'use strict';

const PLACE = 'after:aws:package:finalize:mergeCustomProviderResources';

/**
 * Lets the tables of a universe read all its shards: each of them is a store of its own, in a folder
 * that is one more partition. Without a universe the tables are as they are written.
 */
class ShardedTables {
  constructor(serverless) {
    this.serverless = serverless;
    this.hooks = { [PLACE]: () => this.shard() };
  }

  shard() {
    const { custom, provider } = this.serverless.service;
    if (custom.universe !== 'many') return;
    for (const { Properties } of Object.values(provider.compiledCloudFormationTemplate.Resources)) {
      const table = Properties?.TableInput;
      if (table?.TableType !== 'EXTERNAL_TABLE') continue;
      const store = `s3://${custom.bucket}/store/`;
      const folder = table.StorageDescriptor.Location['Fn::Sub'].replace(store, '');
      table.StorageDescriptor.Location = { 'Fn::Sub': store };
      table.PartitionKeys = [{ Name: 'shard', Type: 'int' }, ...table.PartitionKeys];
      table.Parameters = {
        ...table.Parameters,
        'projection.shard.type': 'integer',
        'projection.shard.range': `0,${custom.shards - 1}`,
        'projection.shard.digits': '4',
        'storage.location.template': {
          'Fn::Sub': `${store}shard=\${!shard}/${folder}month=\${!month}/`,
        },
      };
    }
  }
}

module.exports = ShardedTables;
