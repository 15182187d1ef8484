// Everything that Holiday Registry needs in Azure, in a resource group of its own. There is no key in it anywhere: the
// app reaches its storage, its telemetry and its vault as the identity `identity`.
targetScope = 'subscription'

@description('Names the resource group, and with the location and the subscription all that is in it.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('The region of all: one with Flex Consumption (az functionapp list-flexconsumption-locations).')
@metadata({ azd: { type: 'location' } })
param location string

@description('The Python that runs the app.')
@allowed(['3.11', '3.12', '3.13'])
param pythonVersion string = '3.13'

@description('The memory of an instance, in MB. 512 has a quarter of a core, 2048 has one, 4096 has two.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('How many instances on demand there are at most, for each group of functions: http, durable, each timer.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int = 100

@description('Instances that are always there for orchestrations, entities and activities. They cost also when idle.')
@minValue(0)
@maxValue(1000)
param alwaysReadyDurable int = 0

@description('Instances that are always there for HTTP. They cost also when idle.')
@minValue(0)
@maxValue(1000)
param alwaysReadyHttp int = 0

@description('How many HTTP requests an instance serves at once, before there is another instance.')
@minValue(1)
@maxValue(1000)
param httpConcurrency int = 16

@description('Whether the storage, and the vault if there is one, are reached through a virtual network only.')
param networkEnabled bool = false

@description('Where alerts are sent; empty: nowhere, they are shown in the portal.')
param alertEmail string = ''

@description('The task hub: 3 to 45 letters and digits, of which the first is a letter. Another name is an empty hub.')
@minLength(3)
@maxLength(45)
param hubName string = 'HolidayRegistry'

@description('REGISTRY_OPEN_SECONDS: how long a registry is open.')
@minValue(1)
@maxValue(86400)
param openSeconds int = 300

@description('REGISTRY_MAX_ITEMS: items in a registry, as of its open.')
@minValue(1)
@maxValue(1000)
param maxItems int = 500

@description('REGISTRY_MAX_ITEM_LENGTH: characters of an item.')
@minValue(1)
@maxValue(4096)
param maxItemLength int = 1024

@description('REGISTRY_RETENTION_DAYS: closed registries are deleted after so many days; 0 keeps them for ever.')
@minValue(0)
@maxValue(3650)
param retentionDays int = 30

@description('PROCESSING_WEBHOOK_URL: where closed registries are sent; empty: nowhere. Kept in a vault.')
@secure()
param webhookUrl string = ''

@description('PROCESSING_WEBHOOK_SECRET: signs what is sent; whsec_ and 24 to 64 bytes in base64. Kept in a vault.')
@secure()
param webhookSecret string = ''

@description('PROCESSING_TIMEOUT_SECONDS: for an attempt, until the receiver has answered.')
@minValue(1)
@maxValue(60)
param processingTimeoutSeconds int = 10

@description('PROCESSING_FIRST_RETRY_SECONDS: the pause after the first failure; it doubles with each further one.')
@minValue(1)
@maxValue(3600)
param processingFirstRetrySeconds int = 5

@description('PROCESSING_LONGEST_RETRY_SECONDS: the longest pause.')
@minValue(600)
@maxValue(86400)
param processingLongestRetrySeconds int = 3600

@description('PROCESSING_RETRY_HOURS: for how long attempts are repeated.')
@minValue(0)
@maxValue(168)
param processingRetryHours int = 24

var tags = { 'azd-env-name': environmentName }
var token = uniqueString(subscription().id, environmentName, location)
var names = {
  identity: 'id-${token}'
  storage: 'st${token}'
  workspace: 'log-${token}'
  insights: 'appi-${token}'
  vault: 'kv-${token}'
  network: 'vnet-${token}'
  plan: 'plan-${token}'
  app: 'func-${token}'
}

var hasWebhook = !empty(webhookUrl)

@description('Whether each character is one of the allowed; small letters stand for capital ones too.')
func consistsOf(text string, allowed string) bool =>
  empty(filter(
    map(range(0, length(text)), index => toLower(substring(text, index, 1))),
    character => !contains(allowed, character)
  ))

var letters = 'abcdefghijklmnopqrstuvwxyz'
var alphanumerics = '${letters}0123456789'
var isHub = consistsOf(hubName, alphanumerics) && consistsOf(first(hubName), letters)

var settings = {
  AzureFunctionsJobHost__extensions__durableTask__hubName: isHub
    ? hubName
    : fail('hubName must be letters and digits, of which the first is a letter')
  REGISTRY_AUTH_LEVEL: 'function'
  REGISTRY_OPEN_SECONDS: string(openSeconds)
  REGISTRY_MAX_ITEMS: string(maxItems)
  REGISTRY_MAX_ITEM_LENGTH: string(maxItemLength)
  REGISTRY_RETENTION_DAYS: string(retentionDays)
  PROCESSING_TIMEOUT_SECONDS: string(processingTimeoutSeconds)
  PROCESSING_FIRST_RETRY_SECONDS: string(processingFirstRetrySeconds)
  PROCESSING_LONGEST_RETRY_SECONDS: string(processingLongestRetrySeconds)
  PROCESSING_RETRY_HOURS: string(processingRetryHours)
}

resource group 'Microsoft.Resources/resourceGroups@2024-11-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  scope: group
  params: { name: names.identity, location: location, tags: tags }
}

module storage 'modules/storage.bicep' = {
  scope: group
  params: {
    name: names.storage
    location: location
    tags: tags
    identityName: names.identity
    isPrivate: networkEnabled
  }
  dependsOn: [identity]
}

module monitoring 'modules/monitoring.bicep' = {
  scope: group
  params: {
    name: names.insights
    workspaceName: names.workspace
    location: location
    tags: tags
    identityName: names.identity
  }
  dependsOn: [identity]
}

module vault 'modules/vault.bicep' = if (hasWebhook) {
  scope: group
  params: {
    name: names.vault
    location: location
    tags: tags
    identityName: names.identity
    isPrivate: networkEnabled
    webhookUrl: webhookUrl
    webhookSecret: webhookSecret
  }
  dependsOn: [identity]
}

module network 'modules/network.bicep' = if (networkEnabled) {
  scope: group
  params: {
    name: names.network
    location: location
    tags: tags
    storageName: names.storage
    vaultName: names.vault
    hasVault: hasWebhook
  }
  dependsOn: [storage, vault]
}

// After the roles, since they are made with what they are for: an app that starts without them does not come up.
module app 'modules/app.bicep' = {
  scope: group
  params: {
    name: names.app
    planName: names.plan
    location: location
    tags: tags
    identityName: names.identity
    storageName: names.storage
    insightsName: names.insights
    vaultName: names.vault
    hasWebhook: hasWebhook
    networkName: names.network
    hasNetwork: networkEnabled
    pythonVersion: pythonVersion
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    alwaysReady: { durable: alwaysReadyDurable, http: alwaysReadyHttp }
    httpConcurrency: httpConcurrency
    settings: settings
  }
  dependsOn: [identity, storage, monitoring, vault, network]
}

module alerts 'modules/alerts.bicep' = {
  scope: group
  params: {
    token: token
    location: location
    tags: tags
    insightsName: names.insights
    appName: names.app
    email: alertEmail
  }
  dependsOn: [monitoring, app]
}

output AZURE_RESOURCE_GROUP string = group.name
output FUNCTION_APP_NAME string = names.app
output FUNCTION_APP_URL string = app.outputs.url
