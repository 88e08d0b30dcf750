/**
 * @generated SignedSource<<455aa02b8baee20650aae0c20eb7a3b7>>
 * @lightSyntaxTransform
 */

/* eslint-disable */

'use strict';

var node = (function(){
var v0 = [
  {
    "defaultValue": null,
    "kind": "LocalArgument",
    "name": "filter"
  },
  {
    "defaultValue": null,
    "kind": "LocalArgument",
    "name": "start"
  }
],
v1 = [
  {
    "alias": null,
    "args": [
      {
        "kind": "Variable",
        "name": "filter",
        "variableName": "filter"
      },
      {
        "kind": "Variable",
        "name": "start",
        "variableName": "start"
      }
    ],
    "concreteType": "TradeStreamPayload",
    "kind": "LinkedField",
    "name": "tradeStream",
    "plural": false,
    "selections": [
      {
        "alias": null,
        "args": null,
        "kind": "ScalarField",
        "name": "cursor",
        "storageKey": null
      },
      {
        "alias": null,
        "args": null,
        "kind": "ScalarField",
        "name": "phase",
        "storageKey": null
      },
      {
        "alias": null,
        "args": null,
        "concreteType": "Trade",
        "kind": "LinkedField",
        "name": "trades",
        "plural": true,
        "selections": [
          {
            "alias": null,
            "args": null,
            "kind": "ScalarField",
            "name": "id",
            "storageKey": null
          }
        ],
        "storageKey": null
      }
    ],
    "storageKey": null
  }
];
return {
  "fragment": {
    "argumentDefinitions": (v0/*:: as any*/),
    "kind": "Fragment",
    "metadata": null,
    "name": "TradeStream",
    "selections": (v1/*:: as any*/),
    "type": "Subscription",
    "abstractKey": null
  },
  "kind": "Request",
  "operation": {
    "argumentDefinitions": (v0/*:: as any*/),
    "kind": "Operation",
    "name": "TradeStream",
    "selections": (v1/*:: as any*/)
  },
  "params": {
    "cacheID": "9b662a9f0e9b5aac816799281279885e",
    "id": null,
    "metadata": {},
    "name": "TradeStream",
    "operationKind": "subscription",
    "text": "subscription TradeStream(\n  $filter: TradeFilter\n  $start: StreamStart\n) {\n  tradeStream(filter: $filter, start: $start) {\n    cursor\n    phase\n    trades {\n      id\n    }\n  }\n}\n"
  }
};
})();

node.hash = "7605e0d30c49b86c1fdb6691a6dd045c";

export default node;
