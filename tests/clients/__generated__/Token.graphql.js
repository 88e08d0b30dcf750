/**
 * @generated SignedSource<<56ec2d15de772c3395662e43d7469637>>
 * @lightSyntaxTransform
 */

/* eslint-disable */

'use strict';

var node = (function(){
var v0 = [
  {
    "defaultValue": null,
    "kind": "LocalArgument",
    "name": "mint"
  }
],
v1 = [
  {
    "alias": null,
    "args": [
      {
        "kind": "Variable",
        "name": "mintAddress",
        "variableName": "mint"
      }
    ],
    "concreteType": "Token",
    "kind": "LinkedField",
    "name": "token",
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
        "name": "mintAddress",
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
    "name": "Token",
    "selections": (v1/*:: as any*/),
    "type": "Query",
    "abstractKey": null
  },
  "kind": "Request",
  "operation": {
    "argumentDefinitions": (v0/*:: as any*/),
    "kind": "Operation",
    "name": "Token",
    "selections": (v1/*:: as any*/)
  },
  "params": {
    "cacheID": "737be30a05ff9e44cb88d11e3bc35dab",
    "id": null,
    "metadata": {},
    "name": "Token",
    "operationKind": "query",
    "text": "query Token(\n  $mint: String!\n) {\n  token(mintAddress: $mint) {\n    id\n    mintAddress\n  }\n}\n"
  }
};
})();

node.hash = "30823b3749d4a3c558d3b06be8808104";

export default node;
