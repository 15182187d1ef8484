// The virtual network through which the app reaches its storage and its vault.
param name string
param location string
param tags { *: string }
param storageName string
param vaultName string
param hasVault bool

resource storage 'Microsoft.Storage/storageAccounts@2024-01-01' existing = { name: storageName }
resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = if (hasVault) { name: vaultName }

resource network 'Microsoft.Network/virtualNetworks@2024-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: ['10.0.0.0/24'] }
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: '10.0.0.0/26' // an app on Flex Consumption takes up to 40 addresses
          delegations: [{ name: 'flex', properties: { serviceName: 'Microsoft.App/environments' } }]
        }
      }
      {
        name: 'endpoints'
        properties: { addressPrefix: '10.0.0.64/27' }
      }
    ]
  }
}

module storageEndpoints 'endpoint.bicep' = [
  for service in ['blob', 'queue', 'table']: {
    params: {
      service: service
      targetId: storage.id
      zoneName: 'privatelink.${service}.${environment().suffixes.storage}'
      networkName: network.name
      location: location
      tags: tags
    }
  }
]

module vaultEndpoint 'endpoint.bicep' = if (hasVault) {
  params: {
    service: 'vault'
    targetId: vault.id
    zoneName: 'privatelink.vaultcore.azure.net'
    networkName: network.name
    location: location
    tags: tags
  }
}
