/* SPDX-License-Identifier: MIT */
#pragma once

/* What /etc/pam.d says about a module: each service's lines in their order, includes resolved. */

#include <stddef.h>
#include <stdint.h>

#define PAM_STACK_LINES_MAX 256u
#define PAM_STACK_DEPTH_MAX 8u
#define PAM_TIMEOUT_DEFAULT_SEC 110u /* of pam_oidc_keyring(8) */

typedef enum PamType {
        PAM_TYPE_AUTH,
        PAM_TYPE_ACCOUNT,
        PAM_TYPE_PASSWORD,
        PAM_TYPE_SESSION,
        _PAM_TYPE_MAX,
} PamType;

typedef struct PamLine {
        PamType type;
        char control[128]; /* "required", "[success=1 default=ignore]" */
        char module[128];  /* without its folder */
        char arguments[256];
} PamLine;

typedef struct PamStack {
        PamLine lines[PAM_STACK_LINES_MAX];
        size_t n;
} PamStack;

/* The stack of the service @name below @folder ("/etc/pam.d"). Lines that cannot be read are left
 * out. -ENOENT: no such file; -errno. */
int pam_stack_read(const char *folder, const char *name, PamStack *ret);

/* The first line of @type that is of @module, NULL: none. */
const PamLine *pam_stack_find(const PamStack *stack, PamType type, const char *module);

/* How long the module waits for an approval by this line of its. */
uint64_t pam_line_timeout_sec(const PamLine *line);
