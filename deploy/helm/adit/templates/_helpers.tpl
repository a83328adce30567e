{{- define "adit.name" -}}
{{- printf "%s" .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "adit.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- /* dict "root" $ "part" "gateway" */ -}}
{{- define "adit.selector" -}}
app.kubernetes.io/name: adit
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end -}}

{{- define "adit.labels" -}}
{{ include "adit.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- /* The scheme of the bus. */ -}}
{{- define "adit.bus" -}}
{{ if .Values.bus.tls }}tls+tcp{{ else }}tcp{{ end }}
{{- end -}}

{{- /* Both schedulers, by their pods' own names: the one that leads listens. */ -}}
{{- define "adit.schedulers" -}}
{{- $root := .root -}}
{{- $port := .port -}}
{{- $name := include "adit.name" $root -}}
{{- $all := list -}}
{{- range $i := until (int $root.Values.scheduler.replicas) -}}
{{- $all = append $all (printf "%s://%s-scheduler-%d.%s-scheduler:%v" (include "adit.bus" $root) $name $i $name $port) -}}
{{- end -}}
{{ join "," $all }}
{{- end -}}

{{- define "adit.busSecret" -}}
{{ .Values.bus.secret | default (printf "%s-bus" (include "adit.name" .)) }}
{{- end -}}

{{- define "adit.outsideSecret" -}}
{{ .Values.outsideSecret | default (printf "%s-outside" (include "adit.name" .)) }}
{{- end -}}

{{- define "adit.fromOutside" -}}
valueFrom: { secretKeyRef: { name: {{ include "adit.outsideSecret" .root }}, key: {{ .key }} } }
{{- end -}}

{{- /* Ports of the parts: admin, and where they are asked. */ -}}
{{- define "adit.ports" -}}
gateway: { program: stratum-gateway, section: STRATUM, admin: 9180 }
validator: { program: share-validator, section: VALIDATOR, admin: 9181, bus: 7003 }
scheduler: { program: inode-scheduler, section: SCHEDULER, admin: 9182, bus: 7001, publish: 7002, http: 8080 }
auth: { program: auth, section: AUTH, admin: 9183, bus: 7004, http: 8081 }
payout: { program: payout, section: PAYOUT, admin: 9184, bus: 7005 }
{{- end -}}

{{- /* What each part is given of the world outside: least rights. */ -}}
{{- define "adit.needs" -}}
gateway: [cache]
validator: [window, nodes]
scheduler: [window, cache, nodes, store, lists]
auth: [cache, store, mail, webhooks]
payout: [window, nodes, store]
{{- end -}}

{{- /* dict "root" $ "part" "gateway": the pod of a part. */ -}}
{{- define "adit.pod" -}}
{{- $root := .root -}}
{{- $part := .part -}}
{{- $values := index $root.Values $part -}}
{{- $ports := index (include "adit.ports" $root | fromYaml) $part -}}
{{- $needs := index (include "adit.needs" $root | fromYaml) $part -}}
{{- $name := include "adit.name" $root -}}
{{- $bus := include "adit.bus" $root -}}
metadata:
  labels:
    {{- include "adit.labels" . | nindent 4 }}
  annotations:
    checksum/settings: {{ include (print $root.Template.BasePath "/settings.yaml") $root | sha256sum }}
    {{- with $values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ if eq $part "gateway" }}{{ add $values.drainSeconds 15 }}{{ else }}30{{ end }}
  {{- with $root.Values.imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 3333
    runAsGroup: 3333
    fsGroup: 3333
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: { type: RuntimeDefault }
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "adit.selector" . | nindent 10 }}
  containers:
    - name: {{ $ports.program }}
      image: {{ include "adit.image" $root | quote }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      command: [{{ $ports.program }}, --config, /etc/adit/adit.json, --data, /data, --instance, "@host"]
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: { drop: [ALL] }
      env:
        - { name: ADIT_SERVICE__SECRET_FILE, value: /etc/adit/secret/secret }
        - { name: ADIT_SERVICE__SCHEDULER_URL, value: {{ include "adit.schedulers" (dict "root" $root "port" 7001) | quote }} }
        - { name: ADIT_SERVICE__PUBLISH_URL, value: {{ include "adit.schedulers" (dict "root" $root "port" 7002) | quote }} }
        {{- if eq $part "scheduler" }}
        - { name: ADIT_SCHEDULER__PUBLISH, value: "{{ $bus }}://0.0.0.0:7002" }
        - { name: ADIT_SCHEDULER__PAYOUTS, value: "{{ $bus }}://{{ $name }}-payout:7005" }
        - { name: ADIT_SCHEDULER__LIVE_MAX, value: {{ $root.Values.live.max | quote }} }
        - { name: ADIT_SCHEDULER__LIVE_ADDRESS_MAX, value: {{ $root.Values.live.perAddress | quote }} }
        {{- /* What pages say; the scheduler takes no miners itself. */}}
        - { name: ADIT_STRATUM__ADDRESS, value: "0.0.0.0:{{ $root.Values.gateway.stratumPort }}" }
        {{- with $root.Values.gateway.publicAddress }}
        - { name: ADIT_STRATUM__PUBLIC_ADDRESS, value: {{ . | quote }} }
        {{- end }}
        {{- end }}
        {{- if has $part (list "scheduler" "auth") }}
        {{- with $root.Values.notices.operatorEmail }}
        - { name: ADIT_NOTICES__OPERATOR_EMAIL, value: {{ . | quote }} }
        {{- end }}
        {{- with $root.Values.notices.operatorWebhook }}
        - { name: ADIT_NOTICES__OPERATOR_WEBHOOK, value: {{ . | quote }} }
        {{- end }}
        {{- end }}
        {{- if and (eq $part "auth") $root.Values.notices.operatorWebhook }}
        - { name: ADIT_NOTICES__OPERATOR_WEBHOOK_SECRET_FILE, value: /etc/adit/notices/{{ $root.Values.notices.operatorWebhookSecret.key }} }
        {{- end }}
        - { name: ADIT_STRATUM__VALIDATORS, value: "{{ $bus }}://{{ $name }}-validators:7003" }
        - { name: ADIT_STRATUM__AUTH_URL, value: "{{ $bus }}://{{ $name }}-auth:7004" }
        - { name: ADIT_{{ $ports.section }}__ADMIN_ADDRESS, value: "0.0.0.0:{{ $ports.admin }}" }
        {{- if hasKey $ports "bus" }}
        - { name: ADIT_{{ $ports.section }}__LISTEN, value: "{{ $bus }}://0.0.0.0:{{ $ports.bus }}" }
        {{- end }}
        {{- if hasKey $ports "http" }}
        - { name: ADIT_{{ $ports.section }}__HTTP_ADDRESS, value: "0.0.0.0:{{ $ports.http }}" }
        {{- end }}
        {{- if eq $part "gateway" }}
        - { name: ADIT_STRATUM__ADDRESS, value: "0.0.0.0:{{ $values.stratumPort }}" }
        - { name: ADIT_STRATUM__DRAIN_S, value: {{ $values.drainSeconds | quote }} }
        {{- end }}
        {{- if hasKey $ports "http" }}
        {{- with $root.Values.auth.trustedProxies }}
        - { name: ADIT_{{ $ports.section }}__PROXIES, value: {{ join "," . | quote }} }
        {{- end }}
        {{- end }}
        {{- if $root.Values.bus.tls }}
        - { name: ADIT_BUS__AUTHORITY_FILE, value: /etc/adit/bus/ca.crt }
        - { name: ADIT_BUS__CERTIFICATE_FILE, value: /etc/adit/bus/tls.crt }
        - { name: ADIT_BUS__KEY_FILE, value: /etc/adit/bus/tls.key }
        {{- end }}
        {{- if has "window" $needs }}
        - name: ADIT_REDIS__WINDOW
          {{- include "adit.fromOutside" (dict "root" $root "key" "redis-window") | nindent 10 }}
        {{- if $root.Values.redis.windowPasswordSecret.name }}
        - { name: ADIT_REDIS__WINDOW_PASSWORD_FILE, value: /etc/adit/redis/{{ $root.Values.redis.windowPasswordSecret.key }} }
        {{- end }}
        {{- end }}
        {{- if has "cache" $needs }}
        - name: ADIT_REDIS__CACHE
          {{- include "adit.fromOutside" (dict "root" $root "key" "redis-cache") | nindent 10 }}
        {{- end }}
        {{- if has "nodes" $needs }}
        - name: ADIT_CHAIN__NODES
          {{- include "adit.fromOutside" (dict "root" $root "key" "nodes") | nindent 10 }}
        {{- end }}
        {{- if has "store" $needs }}
        - name: ADIT_STORE__URL
          {{- include "adit.fromOutside" (dict "root" $root "key" "store-url") | nindent 10 }}
        {{- end }}
      ports:
        - { name: admin, containerPort: {{ $ports.admin }} }
        {{- if eq $part "gateway" }}
        - { name: stratum, containerPort: {{ $values.stratumPort }} }
        {{- end }}
        {{- range $key := list "bus" "publish" "http" }}
        {{- if hasKey $ports $key }}
        - { name: {{ $key }}, containerPort: {{ index $ports $key }} }
        {{- end }}
        {{- end }}
      startupProbe:
        httpGet: { path: /healthz, port: admin }
        periodSeconds: 2
        failureThreshold: 60
      livenessProbe:
        httpGet: { path: /healthz, port: admin }
        periodSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: { path: /readyz, port: admin }
        periodSeconds: 2
        failureThreshold: 2
      resources: {{- toYaml $values.resources | nindent 8 }}
      volumeMounts:
        - { name: data, mountPath: /data }
        - { name: tmp, mountPath: /tmp }
        - { name: settings, mountPath: /etc/adit/adit.json, subPath: adit.json, readOnly: true }
        - { name: secret, mountPath: /etc/adit/secret, readOnly: true }
        {{- if $root.Values.bus.tls }}
        - { name: bus, mountPath: /etc/adit/bus, readOnly: true }
        {{- end }}
        {{- if and (has "window" $needs) $root.Values.redis.windowPasswordSecret.name }}
        - { name: redis, mountPath: /etc/adit/redis, readOnly: true }
        {{- end }}
        {{- if $root.Values.outsideFilesSecret }}
        - { name: outside, mountPath: /etc/adit/outside, readOnly: true }
        {{- end }}
        {{- if eq $part "auth" }}
        - { name: auth-key, mountPath: /data/auth.key, subPath: auth.key, readOnly: true }
        {{- if $root.Values.notices.operatorWebhook }}
        - { name: notices, mountPath: /etc/adit/notices, readOnly: true }
        {{- end }}
        {{- end }}
  volumes:
    {{- if has $part (list "scheduler" "payout") }}
    {{- /* of the StatefulSet */}}
    {{- else if (($values.storage).class) }}
    - name: data
      ephemeral:
        volumeClaimTemplate:
          spec:
            accessModes: [ReadWriteOnce]
            storageClassName: {{ $values.storage.class }}
            resources: { requests: { storage: {{ $values.storage.size }} } }
    {{- else }}
    - { name: data, emptyDir: {} }
    {{- end }}
    - { name: tmp, emptyDir: { medium: Memory, sizeLimit: 16Mi } }
    - { name: settings, configMap: { name: {{ $name }}-settings } }
    - { name: secret, secret: { secretName: {{ $root.Values.deploymentSecret | default (printf "%s-secret" $name) }}, defaultMode: 0440 } }
    {{- if $root.Values.bus.tls }}
    - { name: bus, secret: { secretName: {{ include "adit.busSecret" $root }}, defaultMode: 0440 } }
    {{- end }}
    {{- if and (has "window" $needs) $root.Values.redis.windowPasswordSecret.name }}
    - { name: redis, secret: { secretName: {{ $root.Values.redis.windowPasswordSecret.name }}, defaultMode: 0440 } }
    {{- end }}
    {{- if $root.Values.outsideFilesSecret }}
    - { name: outside, secret: { secretName: {{ $root.Values.outsideFilesSecret }}, defaultMode: 0440 } }
    {{- end }}
    {{- if eq $part "auth" }}
    - { name: auth-key, secret: { secretName: {{ $root.Values.authKeySecret | default (printf "%s-auth-key" $name) }}, defaultMode: 0440 } }
    {{- if $root.Values.notices.operatorWebhook }}
    - { name: notices, secret: { secretName: {{ $root.Values.notices.operatorWebhookSecret.name }}, defaultMode: 0440 } }
    {{- end }}
    {{- end }}
  {{- with $values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
