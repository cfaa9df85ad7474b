/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <errno.h>

#include "common/macro.h"
#include "gateway/qr.h"

static size_t columns(const char *line) {
        size_t n = 0;

        for (; *line && *line != '\n'; line++)
                n += (*line & 0xc0) != 0x80; /* characters, not bytes */
        return n;
}

static size_t check_lines(const char *text, size_t *ret_width) {
        size_t lines = 0;

        *ret_width = columns(text);
        for (const char *p = text; *p; p = strchr(p, '\n') + 1) {
                assert(strchr(p, '\n') && columns(p) == *ret_width);
                lines++;
        }
        return lines;
}

static void test_sizes(void) {
        static const char url[] = "https://id.example.com/device?user_code=WDJB-MJHT";
        _cleanup_free_ char *utf8 = NULL, *ascii = NULL, *none = NULL;
        size_t wide, wider, lines;

        assert(qr_draw(url, QR_UTF8, &utf8) == 0);
        lines = check_lines(utf8, &wide);
        assert(wide >= 25 && wide <= 49 && lines == (wide + 1) / 2);
        assert(!strchr(utf8, '\x1b'));

        assert(qr_draw(url, QR_ASCII, &ascii) == 0);
        if (*ascii) {
                lines = check_lines(ascii, &wider);
                assert(wider == 2 * wide && lines == wide);
        }
        assert(qr_draw(url, QR_NONE, &none) == 0 && streq(none, ""));
}

/* Too wide for a terminal, or for any QR code: nothing, or an error, never a broken drawing. */
static void test_long(void) {
        _cleanup_free_ char *wide = NULL, *none = NULL;
        char url[4001];

        memset(url, 'a', sizeof(url) - 1);
        url[sizeof(url) - 1] = '\0';
        assert(qr_draw(url, QR_UTF8, &none) < 0 && !none);
        url[1500] = '\0';
        assert(qr_draw(url, QR_UTF8, &wide) == 0 && streq(wide, ""));
}

static void test_names(void) {
        QrStyle style = QR_NONE;

        assert(qr_style_from_string("utf8", &style) == 0 && style == QR_UTF8);
        assert(qr_style_from_string("ascii", &style) == 0 && style == QR_ASCII);
        assert(qr_style_from_string("none", &style) == 0 && style == QR_NONE);
        assert(qr_style_from_string("", &style) == -EINVAL);
        assert(qr_style_from_string("UTF8", &style) == -EINVAL);
}

int main(void) {
        test_sizes();
        test_long();
        test_names();
        return 0;
}
