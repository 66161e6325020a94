# SPDX-License-Identifier: BSD-2-Clause
# complete.zsh LINE: what zsh shows after LINE and two tabulators. $M is the program. zsh completes
# in a terminal only, so it gets one; the words of exit come behind what it has to complete.
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z 'stty columns 120; autoload -Uz compinit; compinit -u -D; eval "$("$M" completion zsh)"; PS1="RE""ADY> "'
# The prompt says that the line editor listens.
zpty -r z before '*READY> *'
zpty -w -n z "$1"$'\t\t'
zpty -w -n z $'\C-uexit\n'
while zpty -r z chunk; do
	print -rn -- "$chunk"
done
