// What somebody is to look at: orchestrations that failed, deliveries that were given up, an app that does not answer.
param token string
param location string
param tags { *: string }
param insightsName string
param appName string
param email string

resource insights 'Microsoft.Insights/components@2020-02-02' existing = { name: insightsName }
resource app 'Microsoft.Web/sites@2024-04-01' existing = { name: appName }

var failures = {
  orchestrations: {
    text: 'An orchestration failed.'
    query: '''
      traces
      | where customDimensions.Category == 'Host.Triggers.DurableTask'
      | where customDimensions.prop__functionType == 'Orchestrator' and customDimensions.prop__state == 'Failed'
    '''
  }
  deliveries: {
    text: 'The delivery of a closed registry was given up. The receiver refused it, or did not answer for too long.'
    query: '''
      traces
      | where message startswith 'event=sent ' and message contains ' outcome=failed '
    '''
  }
}

// Amsterdam, Virginia, Singapore; each execution costs, and wakes an instance:
// https://learn.microsoft.com/azure/azure-monitor/app/availability#location-population-tags
var testLocations = ['emea-nl-ams-azr', 'us-va-ash-azr', 'apac-sg-sin-azr']

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(email)) {
  name: 'ag-${token}'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'registry'
    emailReceivers: [{ name: 'email', emailAddress: email, useCommonAlertSchema: true }]
  }
}

resource failureAlerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for failure in items(failures): {
    name: 'failed-${failure.key}-${token}'
    location: location
    tags: tags
    properties: {
      displayName: 'Failed ${failure.key}'
      description: failure.value.text
      severity: 1
      enabled: true
      scopes: [insights.id]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT15M' // traces may be some minutes late
      skipQueryValidation: true // a new component does not know its tables yet
      autoMitigate: true // one alert for what several windows show
      criteria: {
        allOf: [{ query: failure.value.query, timeAggregation: 'Count', operator: 'GreaterThan', threshold: 0 }]
      }
      actions: { actionGroups: empty(email) ? [] : [people.id] }
    }
  }
]

resource health 'Microsoft.Insights/webtests@2022-06-15' = {
  name: 'health-${token}'
  location: location
  tags: union(tags, { 'hidden-link:${insights.id}': 'Resource' })
  kind: 'standard'
  properties: {
    Name: 'health'
    SyntheticMonitorId: 'health-${token}'
    Kind: 'standard'
    Enabled: true
    Frequency: 900 // seconds, for each place
    Timeout: 60
    RetryEnabled: true
    Locations: [for name in testLocations: { Id: name }]
    Request: {
      RequestUrl: 'https://${app.properties.defaultHostName}/api/health'
      HttpVerb: 'GET'
      FollowRedirects: false
      ParseDependentRequests: false
    }
    ValidationRules: { ExpectedHttpStatusCode: 200, SSLCheck: true, SSLCertRemainingLifetimeCheck: 7 }
  }
}

resource healthAlert 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'health-${token}'
  location: 'global'
  tags: tags
  properties: {
    description: '/api/health does not answer 200: the app does not run, or its task hub does not answer.'
    severity: 1
    enabled: true
    scopes: [health.id, insights.id]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M' // in which each place has asked
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.WebtestLocationAvailabilityCriteria'
      webTestId: health.id
      componentId: insights.id
      failedLocationCount: length(testLocations) - 1 // that one does not get through is its own trouble
    }
    actions: empty(email) ? [] : [{ actionGroupId: people.id }]
  }
}
