/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "cli/command.h"
#include "cli/gateway-bus.h"
#include "cli/output.h"
#include "common/macro.h"

static ExitCode run_unbind(const Command *command, int argc, char *argv[]);

const Command command_unbind = {
        .name = "unbind",
        .arguments = "[--provider NAME] USER",
        .summary = "let another identity log in as USER (root)",
        .help = "The next login of USER that the provider and the configuration allow binds the "
                "name\n"
                "again. Logins and tokens that are there already are not touched.\n\n"
                "  -p, --provider NAME   at this provider only\n",
        .run = run_unbind,
};

static ExitCode print_cleared(sd_bus_message *reply, const char *user) {
        const char *provider;
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read(reply, "s", &provider)) > 0) {
                print_clean(user);
                (void)printf(" is not bound at %s any more; the next login there binds the name "
                             "again.\n",
                             provider);
        }
        if (r >= 0)
                return EXIT_CODE_OK;
        complain("the gateway's answer cannot be read");
        return EXIT_CODE_FAILURE;
}

static ExitCode run_unbind(const Command *command, int argc, char *argv[]) {
        static const struct option options[] = {
                COMMAND_HELP_OPTION,
                {"provider", required_argument, NULL, 'p'},
                {NULL, 0, NULL, 0},
        };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *provider = "";
        ExitCode code;
        int option;

        while ((option = getopt_long(argc, argv, "hp:", options, NULL)) >= 0) {
                if (option != 'p')
                        return command_option(command, option);
                provider = optarg;
        }
        if (argc - optind != 1) {
                complain("unbind takes the name of one user");
                return EXIT_CODE_USAGE;
        }
        code = gateway_bus_call("ClearBinding", provider, argv[optind], &reply);
        return code == EXIT_CODE_OK ? print_cleared(reply, argv[optind]) : code;
}
