/* Stories of a demo pool in a browser, one behind the other: everybody's pages, an account from its
 * registration to its payments, an operator's; then every page is looked over. Run by `run`. */
import assert from 'node:assert/strict';
import { close, errors } from './world.mjs';
import { haveAnAccount, NAME } from './account.mjs';
import { isTold } from './notices.mjs';
import { tellsAsItHappens } from './live.mjs';
import { isSoonAndSmall, keyboardReaches, looksWell } from './looks.mjs';
import { approves, makeOperator, operates } from './operator.mjs';
import { numbersAreTheApis, operatorsNumbersAreTheApis, ownNumbersAreTheLedgers } from './numbers.mjs';
import { watchThePool } from './public.mjs';
import { asksFirst, standsTrouble } from './troubles.mjs';

const operator = await makeOperator();
const { name } = await watchThePool();
await tellsAsItHappens();
await numbersAreTheApis(name);
const { visit } = await haveAnAccount(approves(operator));
await isTold(visit, `${NAME}@example.org`);
await ownNumbersAreTheLedgers(visit, NAME);
await operates(operator);
await operatorsNumbersAreTheApis(operator);
await standsTrouble(name);
const again = await asksFirst(visit);
await keyboardReaches();
await isSoonAndSmall();
await looksWell(name, again, operator);
await close();
assert.deepEqual(errors, []);
