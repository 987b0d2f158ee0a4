# SPDX-License-Identifier: Apache-2.0
#
# serial.sh - a runcmd entry for `serial_console`: brings the written files
# into effect.  These comments are left out of the seed.
# shellcheck shell=sh
if command -v systemctl >/dev/null; then
	systemctl daemon-reload
	systemctl enable serial-getty@ttyS0.service
	systemctl restart serial-getty@ttyS0.service
fi
if command -v update-grub >/dev/null; then
	update-grub
fi
