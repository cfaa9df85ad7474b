/* SPDX-License-Identifier: MIT */
#pragma once

/* Folders below that of the service's state. */

#include <sys/types.h>

/* What is opened is a folder and no symbolic link. A descriptor, or -errno. */
int state_folder_open(int parent, const char *name);

/* The same; where it is missing it is made, and on the disk then, with @mode whatever the umask. */
int state_folder_make(int parent, const char *name, mode_t mode);
