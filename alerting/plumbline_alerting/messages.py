"""What a notification says: one title, and the body as plain text, for Slack and as an e-mail.

Alertmanager's templates, written into its configuration as they are, so that there is no second file to
forget. A phone shows the first forty characters of a title and a narrow column: what is wrong comes first,
then what to do (the verdict), then the numbers, then links that a thumb can hit.
"""

from __future__ import annotations

TITLE = (
    "{{ if eq .Status `resolved` }}Over: {{ else if eq .CommonLabels.severity `critical` }}Page: {{ end }}"
    "{{ .CommonLabels.alertname }} {{ .CommonLabels.model }}{{ .CommonLabels.pipeline }}"
    "{{ with .CommonLabels.version }} {{ . }}{{ end }}"
    "{{ $told := .Alerts }}{{ with .Alerts.Firing }}{{ $told = . }}{{ end }}"
    "{{ if gt (len $told) 1 }} ({{ len $told }}){{ end }}"
)

# (annotation, what the link is called)
_LINKS = (("dashboard_url", "Dashboard"), ("runbook_url", "Runbook"), ("requests_url", "Requests"))


def _body(bold: str, link: str) -> str:
    """Return a notification's text: what its alerts share is said once, what is over asks for nothing.

    Args:
        bold: around the summary and the verdict.
        link: a link, of NAME and ``{{ . }}``.
    """

    def shared(note: str, form: str) -> str:
        return f"{{{{ with $all.{note} }}}}{form}{{{{ end }}}}"

    def own(note: str, form: str) -> str:
        return f"{{{{ if not $all.{note} }}}}{{{{ with .Annotations.{note} }}}}{form}{{{{ end }}}}{{{{ end }}}}"

    line = f"{bold}{{{{ . }}}}{bold}\n"
    links = [(note, link.replace("NAME", title)) for note, title in _LINKS]
    return "".join(
        (
            "{{ $all := .CommonAnnotations }}",
            shared("summary", line),
            "{{ if .Alerts.Firing }}",
            shared("verdict", line),
            "{{ end }}",
            "{{ range .Alerts.Firing }}",
            own("summary", line),
            own("verdict", line),
            "{{ .Annotations.description }}\n",
            *(own(note, form) for note, form in links),
            "{{ end }}",
            "{{ range .Alerts.Resolved }}",
            own("summary", line),
            "Over; it was: {{ .Annotations.description }}\n{{ end }}",
            *(shared(note, form) for note, form in links),
        )
    )


TEXT = _body("", "NAME: {{ . }}\n")
SLACK = _body("*", "<{{ . }}|NAME>  ")
SLACK_COLOUR = (
    "{{ if eq .Status `resolved` }}#2e7d32{{ else if eq .CommonLabels.severity `critical` }}#c62828"
    "{{ else }}#ef6c00{{ end }}"
)

_BUTTON = (
    "display:inline-block;margin:0 8px 8px 0;padding:12px 18px;border:1px solid #888;border-radius:6px;"
    "color:#0b57d0;text-decoration:none"
)
# Styles stand on the elements: mail programs drop style sheets. No picture, no font and no script is fetched.
HTML = (
    '<!doctype html><html><head><meta name="viewport" content="width=device-width, initial-scale=1">'
    '<meta charset="utf-8"></head>'
    '<body style="margin:0;padding:16px;font:16px/1.45 sans-serif;color:#1b1b1b;background:#fff">'
    '<div style="max-width:600px;margin:auto">{{ range .Alerts }}'
    '<div style="border-left:6px solid {{ if eq .Status `resolved` }}#2e7d32'
    "{{ else if eq .Labels.severity `critical` }}#c62828{{ else }}#ef6c00{{ end }};"
    'padding:0 0 4px 14px;margin:0 0 28px">'
    '<p style="margin:0 0 4px;color:#555">{{ if eq .Status `resolved` }}Over{{ else if eq .Labels.severity '
    "`critical` }}Page{{ else }}Ticket{{ end }} · {{ .Labels.alertname }}</p>"
    '<p style="margin:0 0 10px;font-size:20px;font-weight:bold">{{ .Annotations.summary }}</p>'
    "{{ if ne .Status `resolved` }}{{ with .Annotations.verdict }}"
    '<p style="margin:0 0 10px;padding:10px;background:#fff3e0;font-weight:bold">{{ . }}</p>'
    "{{ end }}{{ end }}"
    '<p style="margin:0 0 14px;overflow-wrap:anywhere">{{ .Annotations.description }}</p><p style="margin:0">'
    + "".join(
        f'{{{{ with .Annotations.{note} }}}}<a style="{_BUTTON}" href="{{{{ . }}}}">{title}</a>{{{{ end }}}}'
        for note, title in _LINKS
    )
    + '</p><p style="margin:6px 0 0;color:#555;font-size:13px">since {{ .StartsAt.Format '
    '"2006-01-02 15:04 MST" }}{{ range .Labels.SortedPairs }} · {{ .Name }}={{ .Value }}{{ end }}</p></div>'
    "{{ end }}"
    '<p style="color:#555;font-size:13px"><a href="{{ .ExternalURL }}">Alertmanager</a></p>'
    "</div></body></html>"
)
