/* SPDX-License-Identifier: Apache-2.0
 *
 * verb_completion.c - holos completion: a script that lets a shell complete holos'
 * command lines.  It knows nothing itself but how to ask (complete.c).
 */
#include <base/names.h>
#include <cli.h>

#include <stdio.h>
#include <string.h>

/* Readline takes what stands behind the last : or = for the word. */
static const char bash[] =
	"# bash completion for holos:  . <(holos completion bash)\n"
	"_holos() {\n"
	"	local line=${COMP_LINE:0:COMP_POINT} words cur head word rest files=\n"
	"	read -ra words <<<\"$line\"\n"
	"	[[ $line == *[[:space:]] ]] && words+=(\"\")\n"
	"	cur=${words[-1]}\n"
	"	head=\n"
	"	[[ $COMP_WORDBREAKS == *:* && $cur == *:* ]] && head=${cur%\"${cur##*:}\"}\n"
	"	[[ $COMP_WORDBREAKS == *=* && $cur == *=* ]] && rest=${cur%\"${cur##*=}\"} &&\n"
	"		(( ${#rest} > ${#head} )) && head=$rest\n"
	"	COMPREPLY=()\n"
	"	while IFS=$'\\t' read -r word rest; do\n"
	"		case $word in\n"
	"		:files) files=-f ;;\n"
	"		:dirs) files=-d ;;\n"
	"		:*) ;;\n"
	"		*) COMPREPLY+=(\"${word#\"$head\"}\") ;;\n"
	"		esac\n"
	"	done < <(\"${words[0]}\" __complete -- \"${words[@]:1}\" 2>/dev/null)\n"
	"	[[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace\n"
	"	if [[ -n $files ]]; then\n"
	"		compopt -o filenames\n"
	"		while IFS= read -r word; do\n"
	"			COMPREPLY+=(\"$word\")\n"
	"		done < <(compgen $files -- \"${cur#\"$head\"}\")\n"
	"	fi\n"
	"}\n"
	"complete -F _holos holos\n";

static const char zsh[] =
	"#compdef holos\n"
	"# zsh completion for holos:  holos completion zsh >DIRECTORY/_holos, a directory of "
	"$fpath\n"
	"_holos() {\n"
	"	local line word what files=\n"
	"	local -a found nospace\n"
	"	while IFS=$'\\t' read -r word what; do\n"
	"		case $word in\n"
	"		:files) files=files ;;\n"
	"		:dirs) files=dirs ;;\n"
	"		:*) ;;\n"
	"		*=) nospace+=(\"$word\") ;;\n"
	"		*) found+=(\"${word//:/\\\\:}:$what\") ;;\n"
	"		esac\n"
	"	done < <(\"${words[1]}\" __complete -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
	"	(( $#found )) && _describe holos found\n"
	"	(( $#nospace )) && compadd -S '' -a nospace\n"
	"	[[ $PREFIX == --*=* ]] && compset -P '*='\n"
	"	case $files in\n"
	"	files) _files ;;\n"
	"	dirs) _files -/ ;;\n"
	"	esac\n"
	"	return 0\n"
	"}\n"
	"if [[ $funcstack[1] == _holos ]]; then\n"
	"	_holos \"$@\"\n"
	"else\n"
	"	compdef _holos holos\n"
	"fi\n";

static const char fish[] =
	"# fish completion for holos:  holos completion fish | source\n"
	"function __holos_complete\n"
	"	set -l words (commandline -opc)\n"
	"	set -l cur (commandline -ct)\n"
	"	for line in ($words[1] __complete -- $words[2..-1] \"$cur\" 2>/dev/null)\n"
	"		switch $line\n"
	"			case ':files'\n"
	"				__fish_complete_path \"$cur\"\n"
	"			case ':dirs'\n"
	"				__fish_complete_directories \"$cur\"\n"
	"			case ':*'\n"
	"			case '*'\n"
	"				echo $line\n"
	"		end\n"
	"	end\n"
	"end\n"
	"complete -c holos -f -a '(__holos_complete)'\n";

int verb_completion(const struct verb *v, int argc, char **argv, struct holos_error **err)
{
	static const struct option_def defs[] = { OPTIONS_END };
	static const char *const shells[] = { "bash", "zsh", "fish" };
	static const char *const scripts[] = { bash, zsh, fish };
	_cleanup_(strv_finish) struct strv operands = STRV_INIT;
	const char *near;
	int r = options_parse(v, defs, false, argc, argv, &operands, err);

	if (r == 0)
		r = options_at_most(&operands, 1, err);
	if (r != 0)
		return r;
	for (size_t i = 0; i < 3 && operands.n != 0; i++) {
		if (strcmp(operands.v[0], shells[i]) == 0) {
			fputs(scripts[i], stdout);
			return 0;
		}
	}
	if (operands.n == 0) {
		error_set(err, ERR_USAGE, "completion needs the name of a shell");
	} else {
		near = names_nearest(operands.v[0], shells, 3);
		error_set(err, ERR_USAGE, "shell \"%s\": must be bash, zsh or fish%s%s%s",
			  operands.v[0], near != NULL ? "; did you mean " : "",
			  near != NULL ? near : "", near != NULL ? "?" : "");
	}
	error_hint(err, "holos help completion");
	return -ERR_USAGE;
}

const struct verb entry_completion = {
	.name = "completion",
	.operands = "bash|zsh|fish",
	.summary = "print a script that lets a shell complete holos",
	.run = verb_completion,
	.group = GROUP_SELF,
	.more = "It completes verbs, options and their values, and the projects, services, "
		"instances, images, volumes and plugins that there are.",
	.examples = {
		{ ". <(holos completion bash)", "in ~/.bashrc" },
		{ "holos completion zsh > ~/.zfunc/_holos", "a directory of $fpath" },
		{ "holos completion fish | source", "in ~/.config/fish/config.fish" },
	},
};
