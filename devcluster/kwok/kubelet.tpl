{{- /* Parts of a pod's status that several stages write. KWOK writes times as the kubelet does: whole seconds, truncated. */ -}}

{{- define "now" }}{{ now.UTC.Format "2006-01-02T15:04:05Z" }}{{ end }}

{{- /* What the pod was told, as in kubelet.jq. */ -}}
{{- $told := dict "exit-code" "0" "sigterm-exit-code" "143" "fail" "" "ignore-sigterm" "" -}}
{{- range .spec.containers }}{{ range .env }}{{ if hasPrefix "DEVCLUSTER_" .name -}}
{{- $_ := set $told (.name | trimPrefix "DEVCLUSTER_" | lower | replace "_" "-") .value -}}
{{- end }}{{ end }}{{ end -}}
{{- range $key, $value := .metadata.annotations }}{{ if hasPrefix "devcluster.ucloud.dk/" $key -}}
{{- $_ := set $told ($key | trimPrefix "devcluster.ucloud.dk/") $value -}}
{{- end }}{{ end -}}

{{- /* How containers end that were told to stop. */ -}}
{{- $stoppedCode := eq (index $told "ignore-sigterm") "true" | ternary "137" (index $told "sigterm-exit-code") -}}

{{- /* The second at which the kubelet came to know the pod: as in kubelet.jq. */ -}}
{{- define "startTime" -}}
{{- $time := .metadata.creationTimestamp -}}
{{- range .status.conditions }}{{ if eq .type "PodScheduled" }}{{ $time = .lastTransitionTime }}{{ end }}{{ end -}}
{{- if .status.startTime }}{{ $time = .status.startTime }}{{ end -}}
{{- $time | quote -}}
{{- end }}

{{- /* Conditions of a pod whose containers are not ready, for the reason in .reason. */ -}}
{{- define "unready" }}
conditions:
- {type: Ready, status: "False", reason: {{ .reason }}, lastTransitionTime: {{ template "now" }}}
- {type: ContainersReady, status: "False", reason: {{ .reason }}, lastTransitionTime: {{ template "now" }}}
{{- end }}

{{- /* Containers that wait for .reason, as .message says. */ -}}
{{- define "waiting" }}
phase: Pending
startTime: {{ template "startTime" .pod }}
{{- template "unready" (dict "reason" "ContainersNotReady") }}
containerStatuses:
{{- $state := dict "reason" .reason }}
{{- with .message }}{{ $_ := set $state "message" . }}{{ end }}
{{- range .pod.spec.containers }}
- name: {{ .name | quote }}
  image: {{ .image | quote }}
  imageID: ""
  ready: false
  started: false
  restartCount: 0
  state: {waiting: {{ $state | toJson }}}
{{- end }}
{{- end }}

{{- /* All containers have ended with .exitCode, for .reason, and so has the pod. */ -}}
{{- define "ended" }}
{{- $well := eq .exitCode "0" }}
phase: {{ ternary "Succeeded" "Failed" (and $well (not .podReason)) }}
{{- with .podReason }}
reason: {{ . }}
{{- end }}
{{- with .podMessage }}
message: {{ . | quote }}
{{- end }}
{{- template "unready" (dict "reason" (ternary "PodCompleted" "PodFailed" $well)) }}
containerStatuses:
{{- $ended := . }}
{{- range .pod.status.containerStatuses }}
- name: {{ .name | quote }}
  image: {{ .image | quote }}
  imageID: {{ .imageID | quote }}
  containerID: {{ .containerID | default "" | quote }}
  ready: false
  started: false
  restartCount: 0
  state:
    terminated:
      exitCode: {{ $ended.exitCode }}
      reason: {{ $ended.reason | default (ternary "Completed" "Error" $well) }}
      {{- with $ended.message }}
      message: {{ . | quote }}
      {{- end }}
      {{- if not $ended.lost }}
      containerID: {{ .containerID | default "" | quote }}
      startedAt: {{ with .state.running }}{{ .startedAt | quote }}{{ end }}
      finishedAt: {{ template "now" }}
      {{- end }}
{{- end }}
{{- end }}

{{- /* The kubelet doesn't find the containers: when, and whether, they ran and ended is unknown. */ -}}
{{- define "lost" }}
{{- $message := "The container could not be located when the pod was terminated" }}
{{- template "ended" (dict "pod" . "exitCode" "137" "reason" "ContainerStatusUnknown" "message" $message "lost" true) }}
{{- end }}
