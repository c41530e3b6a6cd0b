// node validate.mjs FOLDER < objects.json: what the schemas of Prometheus' operator say against each object, a line each; "" is nothing.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const models = `${pathToFileURL(process.argv[2])}/node_modules/@kubernetes-models/prometheus-operator`;
for (const object of JSON.parse(readFileSync(0))) {
    const { [object.kind]: Model } = await import(`${models}/${object.apiVersion}/${object.kind}.js`);
    try {
        new Model(object).validate();
        console.log("");
    } catch (error) {
        console.log(error.message);
    }
}
