/* SPDX-License-Identifier: MIT */
#include "cli/command.h"
#include "cli/user-bus.h"
#include "common/clock.h"

#define REFRESH_TIMEOUT_USEC (120 * USEC_PER_SEC)

static ExitCode run_refresh(const Command *command, int argc, char *argv[]) {
        return user_bus_command(command, argc, argv, "Refresh", REFRESH_TIMEOUT_USEC);
}

const Command command_refresh = {
        .name = "refresh",
        .arguments = "[ACCOUNT]",
        .summary = "renew the token now",
        .help = "ACCOUNT may be left out where there is only one. It returns when the new token "
                "is\n"
                "in the keyring.\n\n",
        .run = run_refresh,
};
