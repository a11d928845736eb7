{{/* The chart's name. */}}
{{- define "troupe.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{/* What names of objects begin with: room is left for "-server-telemetry". */}}
{{- define "troupe.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 45 | trimSuffix "-" -}}
{{- else if contains (include "troupe.name" .) .Release.Name -}}
{{- .Release.Name | trunc 45 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "troupe.name" .) | trunc 45 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels that never change: (list $ component). */}}
{{- define "troupe.selectorLabels" -}}
{{- $ := index . 0 -}}
app.kubernetes.io/name: {{ include "troupe.name" $ }}
app.kubernetes.io/instance: {{ $.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* All labels of an object: (list $ component). */}}
{{- define "troupe.labels" -}}
{{- $ := index . 0 -}}
{{ include "troupe.selectorLabels" . }}
app.kubernetes.io/version: {{ $.Values.image.tag | default $.Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/part-of: troupe
app.kubernetes.io/managed-by: {{ $.Release.Service }}
app.kubernetes.io/created-by: {{ $.Chart.Name }}-chart
helm.sh/chart: {{ printf "%s-%s" $.Chart.Name $.Chart.Version | replace "+" "_" | trunc 63 }}
{{- with $.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The image of servers or workers: (list $ component). A digest goes before a tag. */}}
{{- define "troupe.image" -}}
{{- $ := index . 0 -}}
{{- $own := (index . 1).image -}}
{{- with $.Values.image.registry }}{{ . }}/{{ end -}}
{{- $own.repository -}}
{{- if $own.digest }}@{{ $own.digest }}{{ else }}:{{ $.Values.image.tag | default $.Chart.AppVersion }}{{ end -}}
{{- end -}}

{{- define "troupe.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "troupe.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/* Seconds of a duration like "10s" or "1m 30s", rounded up. */}}
{{- define "troupe.seconds" -}}
{{- $milliseconds := 0 -}}
{{- range regexFindAll "[0-9]+(ms|s|m|h)" . -1 -}}
{{- $number := regexFind "^[0-9]+" . | int -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- $milliseconds = add $milliseconds (mul $number (get (dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000) $unit)) -}}
{{- end -}}
{{- div (add $milliseconds 999) 1000 -}}
{{- end -}}

{{/* One of Troupe's own settings, or its default: (list $ section key default). */}}
{{- define "troupe.setting" -}}
{{- $section := get ((index . 0).Values.settings | default dict) (index . 1) | default dict -}}
{{- get $section (index . 2) | default (index . 3) -}}
{{- end -}}

{{/* What a server needs from SIGTERM to its end: the pause before it, server.drain, and time to end what is then left. */}}
{{- define "troupe.serverGrace" -}}
{{- $drain := include "troupe.setting" (list . "server" "drain" "10s") | include "troupe.seconds" | int -}}
{{- $least := add $drain (int .Values.server.preStopSeconds) 5 | int -}}
{{- include "troupe.grace" (list "server" .Values.server.terminationGracePeriodSeconds $least) -}}
{{- end -}}
{{/* A worker lets replies finish for worker.drain, and hands back what is left in as long again. */}}
{{- define "troupe.workerGrace" -}}
{{- $drain := include "troupe.setting" (list . "worker" "drain" "10s") | include "troupe.seconds" | int -}}
{{- $least := add (mul 2 $drain) 5 | int -}}
{{- include "troupe.grace" (list "worker" .Values.worker.terminationGracePeriodSeconds $least) -}}
{{- end -}}
{{- define "troupe.grace" -}}
{{- $given := index . 1 | default 0 | int -}}
{{- $least := index . 2 -}}
{{- if and $given (lt $given $least) -}}
{{- fail (printf "%s.terminationGracePeriodSeconds is %d: with settings.%s.drain it must be %d at least, or replies are cut off" (index . 0) $given (index . 0) $least) -}}
{{- end -}}
{{- $given | default $least -}}
{{- end -}}

{{/* Numbers as they were written: Helm has them as floats, and 3221225472 would become 3.221225472e+09. */}}
{{- define "troupe.scalar" -}}
{{- if kindIs "float64" . -}}
{{- if eq . (floor .) }}{{ int64 . }}{{ else }}{{ . }}{{ end -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end -}}

{{/* Settings as variables, TROUPE_SECTION__KEY: (list prefix map). */}}
{{- define "troupe.variables" -}}
{{- $prefix := index . 0 -}}
{{- range $key, $value := index . 1 }}
{{- $name := printf "%s__%s" $prefix ($key | upper) }}
{{- if kindIs "map" $value }}
{{- include "troupe.variables" (list $name $value) }}
{{- else if not (kindIs "invalid" $value) }}
{{ $name }}: {{ include "troupe.scalar" $value | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Everything in the ConfigMap: what the chart decides, and what settings say over it. */}}
{{- define "troupe.environment" -}}
{{- $decided := dict
  "TROUPE_SERVER__LISTEN" "0.0.0.0:8080"
  "TROUPE_TELEMETRY__LISTEN" "0.0.0.0:9464"
  "TROUPE_TELEMETRY__FORMAT" "json"
  "TROUPE_SECRETS_DIR" "/etc/troupe/secrets"
  "TROUPE_DATABASE__MIGRATE" (.Values.migrate.enabled | ternary "false" "true")
-}}
{{- with include "troupe.publicUrl" . }}{{ $_ := set $decided "TROUPE_SERVER__PUBLIC_URL" . }}{{ end -}}
{{- $said := dict -}}
{{- range $section, $values := .Values.settings -}}
{{- $lines := include "troupe.variables" (list (printf "TROUPE_%s" (upper $section)) $values) | fromYaml -}}
{{- $said = merge $said $lines -}}
{{- end -}}
{{- toYaml (merge $said $decided) -}}
{{- end -}}

{{/* Where people find it: as settings say, or by the first host of the Ingress or the HTTPRoute. */}}
{{- define "troupe.publicUrl" -}}
{{- $said := include "troupe.setting" (list . "server" "public_url" "") -}}
{{- if $said -}}
{{- $said -}}
{{- else if .Values.ingress.enabled -}}
{{- printf "%s://%s" (.Values.ingress.tls | ternary "https" "http") (first .Values.ingress.hosts) -}}
{{- else if .Values.httpRoute.enabled -}}
{{- printf "https://%s" (first .Values.httpRoute.hostnames) -}}
{{- end -}}
{{- end -}}

{{/* Faults that the schema cannot see. Included once, by the server's Deployment. */}}
{{- define "troupe.check" -}}
{{- if not (or .Values.secrets.existingSecret .Values.secrets.externalSecret.enabled) -}}
{{- fail "secrets.existingSecret is missing: the name of a Secret with DATABASE_URL and REDIS_URL (or set secrets.externalSecret.enabled)" -}}
{{- end -}}
{{- if and .Values.secrets.existingSecret .Values.secrets.externalSecret.enabled -}}
{{- fail "secrets.existingSecret and secrets.externalSecret.enabled exclude each other" -}}
{{- end -}}
{{- if .Values.migrate.enabled -}}
{{- if not (or .Values.migrate.existingSecret .Values.migrate.externalSecret.enabled) -}}
{{- fail "migrate.existingSecret is missing: the name of a Secret with the owner's DATABASE_URL (or set migrate.enabled=false, and servers and workers migrate)" -}}
{{- end -}}
{{- end -}}
{{- range $name := list "server" "worker" -}}
{{- $component := get $.Values $name -}}
{{- if and $component.hpa.enabled $component.keda.enabled -}}
{{- fail (printf "%s.hpa.enabled and %s.keda.enabled exclude each other: two would set the replicas of one Deployment" $name $name) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.ingress.enabled .Values.httpRoute.enabled -}}
{{- fail "ingress.enabled and httpRoute.enabled exclude each other" -}}
{{- end -}}
{{- if and (or .Values.ingress.enabled .Values.httpRoute.enabled) (not (include "troupe.setting" (list . "server" "trusted_proxies" ""))) -}}
{{- fail "settings.server.trusted_proxies is missing: without the network of the proxy's pods all callers are one caller, with one limit" -}}
{{- end -}}
{{- if and .Values.monitoring.prometheusRule.enabled (not (.Files.Get "files/alerts.yml")) -}}
{{- fail "monitoring.prometheusRule.enabled: the chart has no files/alerts.yml" -}}
{{- end -}}
{{- end -}}

{{/* Both kinds of pods: (dict "root" $ "component" name "values" values "grace" seconds). */}}
{{- define "troupe.pod" -}}
{{- $ := .root -}}
{{- $component := .values -}}
{{- $name := .component -}}
{{- with $.Values.image.pullSecrets -}}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{ end -}}
serviceAccountName: {{ include "troupe.serviceAccountName" $ }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ .grace }}
{{- with $component.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
securityContext:
  {{- toYaml $.Values.podSecurityContext | nindent 2 }}
containers:
  - name: {{ .component }}
    image: {{ include "troupe.image" (list $ $component) }}
    imagePullPolicy: {{ $.Values.image.pullPolicy }}
    securityContext:
      {{- toYaml $.Values.securityContext | nindent 6 }}
    ports:
      {{- if eq .component "server" }}
      - name: http
        containerPort: 8080
      {{- end }}
      - name: telemetry
        containerPort: 9464
    envFrom:
      - configMapRef:
          name: {{ include "troupe.fullname" $ }}
      {{- with $.Values.extraEnvFrom }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- with concat $.Values.extraEnv $component.extraEnv }}
    env:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    # Until it has connected to PostgreSQL and listens. Where it migrates itself, that takes as long as migrations do.
    startupProbe:
      httpGet: {path: /health, port: telemetry}
      periodSeconds: 2
      timeoutSeconds: 2
      failureThreshold: {{ max 1 (div (add 1 (int $component.startupSeconds)) 2) }}
    # It runs on the runtime that does the work: one that hangs is started anew.
    livenessProbe:
      httpGet: {path: /health, port: telemetry}
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: 3
    # Without PostgreSQL it is not ready; without Redis it is, and says degraded.
    readinessProbe:
      httpGet: {path: /ready, port: telemetry}
      periodSeconds: 5
      timeoutSeconds: 4
      failureThreshold: 2
    {{- if eq .component "server" }}
    {{- if gt (int $component.preStopSeconds) 0 }}
    lifecycle:
      preStop:
        # It takes calls while proxies hear that it goes. The kubelet sleeps, not a shell in the image.
        sleep:
          seconds: {{ $component.preStopSeconds }}
    {{- end }}
    {{- end }}
    resources:
      {{- toYaml $component.resources | nindent 6 }}
    volumeMounts:
      - name: secrets
        mountPath: /etc/troupe/secrets
        readOnly: true
      - name: tmp
        mountPath: /tmp
      {{- with $.Values.extraVolumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
volumes:
  # The whole directory: a Secret that changes is taken over within a minute or so, without a restart.
  - name: secrets
    secret:
      secretName: {{ include "troupe.secretName" $ }}
      defaultMode: 0440
  - name: tmp
    emptyDir:
      sizeLimit: 64Mi
  {{- with $.Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $component.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $component.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $component.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if $component.topologySpread.enabled }}
topologySpreadConstraints:
  {{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: {{ $component.topologySpread.whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- include "troupe.selectorLabels" (list $ $name) | nindent 8 }}
    # Pods of one version among themselves: those that are about to go do not count.
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}
{{- end -}}

{{- define "troupe.secretName" -}}
{{- .Values.secrets.externalSecret.enabled | ternary (include "troupe.fullname" .) .Values.secrets.existingSecret -}}
{{- end -}}
{{- define "troupe.migrateSecretName" -}}
{{- .Values.migrate.externalSecret.enabled | ternary (printf "%s-migrate" (include "troupe.fullname" .)) .Values.migrate.existingSecret -}}
{{- end -}}

{{/* Annotations that make new pods of a changed ConfigMap: (list $ component values). Secrets are not among them: they are taken over. */}}
{{- define "troupe.podAnnotations" -}}
{{- $ := index . 0 -}}
checksum/config: {{ include "troupe.environment" $ | sha256sum }}
{{- with (index . 1).podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end -}}
