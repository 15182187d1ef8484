// The function app, on Flex Consumption.
param name string
param planName string
param location string
param tags { *: string }
param identityName string
param storageName string
param insightsName string

@description('The vault with the webhook, if there is one.')
param vaultName string
param hasWebhook bool

@description('The network through which all goes that the app sends, if there is one.')
param networkName string
param hasNetwork bool

param pythonVersion string
param instanceMemoryMB int
param maximumInstanceCount int

@description('How many instances of each group of functions are always ready.')
param alwaysReady { durable: int, http: int }

param httpConcurrency int

@description('The settings of the app itself.')
param settings { *: string }

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' existing = { name: identityName }
resource storage 'Microsoft.Storage/storageAccounts@2024-01-01' existing = { name: storageName }
resource insights 'Microsoft.Insights/components@2020-02-02' existing = { name: insightsName }
resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = if (hasWebhook) {
  name: vaultName

  resource url 'secrets' existing = { name: 'webhook-url' }
  resource secret 'secrets' existing = { name: 'webhook-secret' }
}
resource network 'Microsoft.Network/virtualNetworks@2024-05-01' existing = if (hasNetwork) {
  name: networkName

  resource subnet 'subnets' existing = { name: 'app' }
}

var hostSettings = {
  AzureWebJobsStorage__accountName: storageName
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identity.properties.clientId
  APPLICATIONINSIGHTS_CONNECTION_STRING: insights.properties.ConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.properties.clientId};Authorization=AAD'
}

// With the versions of the secrets: another secret is another setting then, and fetched at once, not within a day.
var webhookSettings = {
  PROCESSING_WEBHOOK_URL: hasWebhook
    ? '@Microsoft.KeyVault(SecretUri=${vault::url!.properties.secretUriWithVersion})'
    : ''
  PROCESSING_WEBHOOK_SECRET: hasWebhook
    ? '@Microsoft.KeyVault(SecretUri=${vault::secret!.properties.secretUriWithVersion})'
    : ''
}

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true } // Linux
}

// The settings are part of the app, not a resource of their own: so it never runs without them.
resource site 'Microsoft.Web/sites@2024-04-01' = {
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': 'registry' })
  kind: 'functionapp,linux'
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identity.id}': {} } }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    keyVaultReferenceIdentity: identity.id
    virtualNetworkSubnetId: hasNetwork ? network::subnet.id : null
    siteConfig: {
      minTlsVersion: '1.2'
      http20Enabled: true
      appSettings: map(
        items(union(settings, webhookSettings, hostSettings)),
        setting => { name: setting.key, value: setting.value }
      )
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storage.properties.primaryEndpoints.blob}app-package'
          authentication: { type: 'UserAssignedIdentity', userAssignedIdentityResourceId: identity.id }
        }
      }
      runtime: { name: 'python', version: pythonVersion }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: map(
          filter(items(alwaysReady), group => group.value > 0),
          group => { name: group.key, instanceCount: group.value }
        )
        triggers: { http: { perInstanceConcurrency: httpConcurrency } }
      }
    }
  }
}

// Who deploys signs in to Microsoft Entra instead, as azd, func and az do.
resource ftpPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: site
  name: 'ftp'
  properties: { allow: false }
}

resource scmPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: site
  name: 'scm'
  properties: { allow: false }
  dependsOn: [ftpPassword] // a site is changed by one at a time
}

output url string = 'https://${site.properties.defaultHostName}'
