"""devhost: a Functions host for one machine, for apps on azure-functions and
azure-functions-durable.
"""
