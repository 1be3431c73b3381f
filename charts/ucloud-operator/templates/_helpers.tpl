{{- /* Say "yes" for a kind of object that is to be installed. */ -}}
{{- define "ucloud-operator.wanted" -}}
{{- $policy := hasPrefix "ValidatingAdmissionPolicy" .kind -}}
{{- $stamp := hasPrefix "MutatingAdmissionPolicy" .kind -}}
{{- if eq .kind "Namespace" -}}
no
{{- else if or (and (or $policy $stamp) (not .values.policies.enabled)) (and $stamp (not .values.policies.stamps)) -}}
no
{{- else if and (eq .kind "PodDisruptionBudget") (lt (int .values.replicas) 2) -}}
no
{{- else if and (eq .kind "PriorityClass") (ne .values.priorityClassName "ucloud-operator") -}}
no
{{- else -}}
yes
{{- end -}}
{{- end -}}
