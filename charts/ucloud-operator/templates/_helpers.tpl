{{- /* Say "yes" for a kind of object that is to be installed. */ -}}
{{- define "ucloud-operator.wanted" -}}
{{- $policy := hasPrefix "ValidatingAdmissionPolicy" .kind -}}
{{- $stamp := hasPrefix "MutatingAdmissionPolicy" .kind -}}
{{- if eq .kind "Namespace" -}}
no
{{- else if or (and (or $policy $stamp) (not .policies.enabled)) (and $stamp (not .policies.stamps)) -}}
no
{{- else -}}
yes
{{- end -}}
{{- end -}}
