"""Which function answers a request: route templates, their constraints, and the table of routes."""

from devhost.http.routing.table import Route, RouteTable, route_table

__all__ = ["Route", "RouteTable", "route_table"]
