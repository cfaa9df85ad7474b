/* SPDX-License-Identifier: MIT */
#pragma once

/* The QR code of a URL as lines of text, drawn here because this room already holds the library
 * and the module must not. Quiet zone included; no escape sequences: dark modules are blanks and
 * light ones blocks, which reads on a dark terminal, and readers accept the inverse. */

typedef enum QrStyle {
        QR_NONE,
        QR_UTF8,  /* two modules a character, half blocks */
        QR_ASCII, /* "##" a module: twice as wide, for terminals without Unicode */
        _QR_STYLE_MAX,
} QrStyle;

#define QR_COLUMNS_MAX 76 /* wider than this is not drawn: a wrapped QR code cannot be read */

/* "" for QR_NONE and where it would be too wide. 0, -EINVAL, -ENOMEM. */
int qr_draw(const char *url, QrStyle style, char **ret);

/* "none", "utf8", "ascii"; -EINVAL */
int qr_style_from_string(const char *text, QrStyle *ret);
