/**
 * @generated SignedSource<<9d5e2d45e62a95ccae8cdf9ed84e7295>>
 * @lightSyntaxTransform
 */

/* eslint-disable */

'use strict';

var node = (function(){
var v0 = {
  "defaultValue": null,
  "kind": "LocalArgument",
  "name": "after"
},
v1 = {
  "defaultValue": null,
  "kind": "LocalArgument",
  "name": "mint"
},
v2 = [
  {
    "alias": null,
    "args": [
      {
        "kind": "Variable",
        "name": "after",
        "variableName": "after"
      },
      {
        "kind": "Variable",
        "name": "mintAddress",
        "variableName": "mint"
      }
    ],
    "concreteType": "Trade",
    "kind": "LinkedField",
    "name": "trades",
    "plural": false,
    "selections": [
      {
        "alias": null,
        "args": null,
        "kind": "ScalarField",
        "name": "id",
        "storageKey": null
      },
      {
        "alias": null,
        "args": null,
        "kind": "ScalarField",
        "name": "signature",
        "storageKey": null
      }
    ],
    "storageKey": null
  }
];
return {
  "fragment": {
    "argumentDefinitions": [
      (v0/*:: as any*/),
      (v1/*:: as any*/)
    ],
    "kind": "Fragment",
    "metadata": null,
    "name": "Trades",
    "selections": (v2/*:: as any*/),
    "type": "Subscription",
    "abstractKey": null
  },
  "kind": "Request",
  "operation": {
    "argumentDefinitions": [
      (v1/*:: as any*/),
      (v0/*:: as any*/)
    ],
    "kind": "Operation",
    "name": "Trades",
    "selections": (v2/*:: as any*/)
  },
  "params": {
    "cacheID": "9d62dade4aa5bf8a8f137fbbec2db1b4",
    "id": null,
    "metadata": {},
    "name": "Trades",
    "operationKind": "subscription",
    "text": "subscription Trades(\n  $mint: String!\n  $after: String\n) {\n  trades(mintAddress: $mint, after: $after) {\n    id\n    signature\n  }\n}\n"
  }
};
})();

node.hash = "a39c9a52393e9bdc1c408e945e85e8a6";

export default node;
