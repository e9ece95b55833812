/* A fragment names a line of the page behind the sign-in: a redirect hands it on if the address of the form has it. */
(() => {
  "use strict";
  for (const form of document.querySelectorAll("form[action^='/accounts/login/'], form[action^='/accounts/2fa/authenticate/']")) form.action += location.hash;
})();
