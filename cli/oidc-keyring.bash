# SPDX-License-Identifier: MIT
# Completion of oidc-keyring(1) for bash.

_oidc_keyring() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=
	local command=${COMP_WORDS[1]}

	if [ "$COMP_CWORD" -eq 1 ]; then
		words='status token refresh login logout check bindings unbind --help --version'
	elif [ "$prev" = --min-valid ] || [ "$prev" = -m ]; then
		words='60 300 600'
	elif [ "$command" = unbind ] && { [ "$prev" = --provider ] || [ "$prev" = -p ]; }; then
		words=$(oidc-keyring bindings --json 2>/dev/null |
			grep -o '"provider":"[a-z0-9_-]*"' | cut -d'"' -f4)
	elif [ "$prev" = --qr ] || [ "$prev" = -q ]; then
		words='auto utf8 ascii none'
	elif [[ $cur == -* ]]; then
		case $command in
		status | bindings) words='--json --help' ;;
		token) words='--min-valid --help' ;;
		login) words='--json --qr --help' ;;
		refresh | logout | check) words='--help' ;;
		unbind) words='--provider --help' ;;
		esac
	else
		case $command in
		token | refresh | login | logout)
			words=$(oidc-keyring status --json 2>/dev/null |
				grep -o '"name":"[a-z0-9_-]*"' | cut -d'"' -f4)
			;;
		unbind)
			words=$(oidc-keyring bindings --json 2>/dev/null |
				grep -o '"user":"[A-Za-z0-9._@-]*"' | cut -d'"' -f4)
			;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _oidc_keyring oidc-keyring
