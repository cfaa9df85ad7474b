/* SPDX-License-Identifier: MIT */
#pragma once

/* How the gateway names itself to a provider. RFC 8628 5.4: somebody may be talked into approving a
 * code that another person was shown, so an approval page that can show who asked for the code
 * should have something telling to show: the name of this host. */

/* "oidc-keyring/VERSION (HOST)"; what does not belong into the name of a host is '?', and it is cut
 * to what such a name may be. -ENOMEM */
int user_agent_new(const char *host, char **ret);

/* The same for this host. */
int user_agent_of_this_host(char **ret);
