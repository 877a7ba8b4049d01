// SPDX-License-Identifier: MIT
// Copies files in the ways that Node has: copies.js DIRECTORY FILE…; copy number N is DIRECTORY/copyN and DIRECTORY/readN.
"use strict";
const fs = require("fs");
const [directory, ...files] = process.argv.slice(2);
files.forEach((file, number) => {
    fs.copyFileSync(file, `${directory}/copy${number}`);
    fs.writeFileSync(`${directory}/read${number}`, fs.readFileSync(file));
});
