#!/usr/bin/env bash
# A registry, call by call: examples/walkthrough.sh [http://127.0.0.1:7071]
set -euo pipefail
api=${1:-http://127.0.0.1:7071}/api

echo "Open a registry:"
id=$(curl -fsS -X POST -H 'Accept: text/plain' "$api/open")
echo "$id"

echo "Add gifts, in the query, from a form, as JSON and as text:"
curl -fsS -X POST "$api/add/$id?item=Commodore%2064"
curl -fsS --data-urlencode 'item=Zork & Trilogy' "$api/add/$id"
curl -fsS -H 'Content-Type: application/json' -d '{"item": "Bike"}' "$api/add/$id"
curl -fsS -H 'Content-Type: text/plain' -H 'Idempotency-Key: socks' -d 'Socks' "$api/add/$id"

echo "Repeat an add with its key: it is one gift."
curl -fsS -H 'Content-Type: text/plain' -H 'Idempotency-Key: socks' -d 'Socks' "$api/add/$id"

echo "Take it back:"
curl -fsS -d itemKey=socks "$api/remove/$id"

echo "Peek, just at the gifts:"
curl -fsS -H 'Accept: text/plain' "$api/peek/$id"

echo "Finish the registry:"
curl -fsS -X POST "$api/finish/$id"

echo "Add too late:"
curl -sS -d item=Late "$api/add/$id"
