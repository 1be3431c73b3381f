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

{{- /* Change in a Deployment's only container, and in its pod, what values say of both the operator's and the gateway's. */ -}}
{{- define "ucloud-operator.placed" -}}
{{- $pod := .deployment.spec.template.spec }}
{{- range $name := list "imagePullSecrets" "nodeSelector" "tolerations" }}
{{- with index $.values $name }}{{ $_ := set $pod $name . }}{{ end }}
{{- end }}
{{- $container := first $pod.containers }}
{{- $_ := set $container "image" (printf "%s:%s" .values.image.repository (default .version .values.image.tag)) }}
{{- if ne .values.image.pullPolicy "IfNotPresent" }}{{ $_ := set $container "imagePullPolicy" .values.image.pullPolicy }}{{ end }}
{{- $_ := set $container "resources" .resources }}
{{- range $option, $value := .settings }}
{{- $_ := set $container "args" (append $container.args (printf "--%s=%v" $option $value)) }}
{{- end }}
{{- end -}}
