/* SPDX-License-Identifier: MIT */
#include "cli/command.h"
#include "cli/user-bus.h"
#include "common/clock.h"
#include "common/macro.h"

#define LOGOUT_TIMEOUT_USEC (110 * USEC_PER_SEC) /* a refresh in flight is awaited */

static ExitCode run_logout(const Command *command, int argc, char *argv[]);

const Command command_logout = {
        .name = "logout",
        .arguments = "[ACCOUNT]",
        .summary = "end an account's login, or all of them",
        .help = "The login is revoked at the provider and its token taken out of the keyring. "
                "Without\n"
                "ACCOUNT that is done for every account of this session.\n\n",
        .run = run_logout,
};

static ExitCode run_logout(const Command *command, int argc, char *argv[]) {
        static const struct option options[] = {COMMAND_HELP_OPTION, {NULL, 0, NULL, 0}};
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *account;
        int option;

        option = getopt_long(argc, argv, "h", options, NULL);
        if (option >= 0)
                return command_option(command, option);
        account = command_account(argc, argv);
        if (!account)
                return EXIT_CODE_USAGE;
        return user_bus_call(false, LOGOUT_TIMEOUT_USEC, &reply, "Logout", "s", account);
}
