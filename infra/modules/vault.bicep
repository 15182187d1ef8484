// Keeps where closed registries are sent, and with what they are signed. The app is given references to them.
param name string
param location string
param tags { *: string }
param identityName string
param isPrivate bool

@secure()
param webhookUrl string

@secure()
param webhookSecret string

var secretsUser = '4633458b-17de-408a-b874-0445c86b69e6' // Key Vault Secrets User

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' existing = { name: identityName }

// Without purge protection (false is refused, so it is not named): `azd down --purge` removes all, and frees the name.
resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 7
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    networkAcls: { defaultAction: isPrivate ? 'Deny' : 'Allow', bypass: 'None' }
  }

  resource url 'secrets' = {
    name: 'webhook-url'
    properties: {
      contentType: 'text/plain'
      value: startsWith(webhookUrl, 'https://') || startsWith(webhookUrl, 'http://')
        ? webhookUrl
        : fail('webhookUrl must begin with https:// or http://')
    }
  }

  resource secret 'secrets' = {
    name: 'webhook-secret'
    properties: {
      contentType: 'text/plain'
      value: startsWith(webhookSecret, 'whsec_') && length(webhookSecret) >= 38 && length(webhookSecret) <= 94
        ? webhookSecret
        : fail('webhookSecret must be whsec_ and 24 to 64 random bytes in base64: what is sent is signed with it')
    }
  }
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: vault
  name: guid(vault.id, identity.id, secretsUser)
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
    description: 'Key Vault Secrets User'
  }
}
