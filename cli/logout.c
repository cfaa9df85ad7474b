/* SPDX-License-Identifier: MIT */
#include "cli/command.h"
#include "cli/user-bus.h"
#include "common/clock.h"

#define LOGOUT_TIMEOUT_USEC (110 * USEC_PER_SEC) /* a refresh in flight is awaited */

static ExitCode run_logout(const Command *command, int argc, char *argv[]) {
        return user_bus_command(command, argc, argv, "Logout", LOGOUT_TIMEOUT_USEC);
}

const Command command_logout = {
        .name = "logout",
        .arguments = "[ACCOUNT]",
        .summary = "end an account's login, or all of them",
        .help = "The login is revoked at the provider and its token taken out of the keyring. "
                "Without\n"
                "ACCOUNT that is done for every account of this session.\n\n",
        .run = run_logout,
};
