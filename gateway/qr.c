/* SPDX-License-Identifier: MIT */
#include "gateway/qr.h"

#include <errno.h>
#include <qrencode.h>
#include <stdbool.h>

#include "common/macro.h"

#define QUIET 2 /* modules around the code: readers manage with half of the standard's four */

/* The picture says what the text said. */
static inline void qrcodep(QRcode **code) {
        if (*code)
                explicit_bzero((*code)->data, (size_t)(*code)->width * (size_t)(*code)->width);
        QRcode_free(*code);
}

int qr_style_from_string(const char *text, QrStyle *ret) {
        static const char *const names[_QR_STYLE_MAX] = {
                [QR_NONE] = "none",
                [QR_UTF8] = "utf8",
                [QR_ASCII] = "ascii",
        };

        for (QrStyle style = 0; style < _QR_STYLE_MAX; style++)
                if (streq(names[style], text)) {
                        *ret = style;
                        return 0;
                }
        return -EINVAL;
}

/* Light is what is drawn: a terminal is mostly dark, and there the code reads as printed. */
static bool qr_is_light(const QRcode *code, int x, int y) {
        if (x < 0 || y < 0 || x >= code->width || y >= code->width)
                return true;
        return !(code->data[y * code->width + x] & 1);
}

static char *qr_write_utf8(char *p, const QRcode *code, int y) {
        static const char *const halves[] = {" ", "\xe2\x96\x84", "\xe2\x96\x80", "\xe2\x96\x88"};

        for (int x = -QUIET; x < code->width + QUIET; x++)
                p = stpcpy(p, halves[qr_is_light(code, x, y) * 2 + qr_is_light(code, x, y + 1)]);
        return stpcpy(p, "\n");
}

static char *qr_write_ascii(char *p, const QRcode *code, int y) {
        for (int x = -QUIET; x < code->width + QUIET; x++)
                p = stpcpy(p, qr_is_light(code, x, y) ? "##" : "  ");
        return stpcpy(p, "\n");
}

/* What the styles differ in: bytes and columns of a module, and how many rows of modules a line of
 * text takes. */
static const struct Style {
        size_t bytes;
        int columns, rows;
        char *(*write)(char *p, const QRcode *code, int y);
} styles[_QR_STYLE_MAX] = {
        [QR_UTF8] = {3, 1, 2, qr_write_utf8},
        [QR_ASCII] = {2, 2, 1, qr_write_ascii},
};

int qr_draw(const char *url, QrStyle style, char **ret) {
        _cleanup_(qrcodep) QRcode *code = NULL;
        const struct Style *how = &styles[style];
        char *text, *p;
        size_t side;

        if (style == QR_NONE)
                return (*ret = strdup("")) ? 0 : -ENOMEM;
        code = QRcode_encodeString8bit(url, 0, QR_ECLEVEL_L);
        if (!code)
                return errno == ENOMEM ? -ENOMEM : -EINVAL;
        side = (size_t)code->width + 2 * QUIET;
        if (side * (size_t)how->columns > QR_COLUMNS_MAX)
                return (*ret = strdup("")) ? 0 : -ENOMEM;

        text = malloc((side * how->bytes + 1) * (side / (size_t)how->rows + 1) + 1);
        if (!text)
                return -ENOMEM;
        p = text;
        *p = '\0';
        for (int y = -QUIET; y < code->width + QUIET; y += how->rows)
                p = how->write(p, code, y);
        *ret = text;
        return 0;
}
