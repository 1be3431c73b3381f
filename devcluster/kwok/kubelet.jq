# What a kubelet would do next with a pod, and when: `next_event` is {what, at}, or null where nothing happens by itself.
# Instants are seconds since 1970, with fractions. Pods tell us seconds only; `noticed` says how the rest is recovered.
#
# KWOK asks anew whenever the pod changes and forgets what it was told before. So an answer must not depend on when it is
# asked, or every change of an annotation would put off the end of a container.

# What the pod was told: by annotations or, for pods that somebody else makes, by environment variables of a container.
def settings:
  ([.spec.containers[].env[]? | select(.name | startswith("DEVCLUSTER_"))
    | {key: (.name | ltrimstr("DEVCLUSTER_") | ascii_downcase | split("_") | join("-")), value}]
   + [.metadata.annotations // {} | to_entries[] | select(.key | startswith("devcluster.ucloud.dk/"))
      | {key: (.key | ltrimstr("devcluster.ucloud.dk/")), value}])
  | from_entries;

# "1.5s", "300ms", "2m" or a bare number of seconds, as a number of seconds.
def seconds:
  capture("^(?<n>[0-9]+([.][0-9]+)?)(?<unit>ms|s|m|h)?$")
  | (.n | tonumber) * ({"ms": 0.001, "m": 60, "h": 3600}[.unit // "s"] // 1);

# An instant of which only the second is known: the moment we see it, which is a moment later, but where we are asked
# again later than that, the end of that second.
def noticed: [now, . + 1] | min;

# SIGTERM to the end of the containers. The kubelet gives those that ignore it two seconds even where none are granted.
def stopping($grace):
  ([$grace, 2] | max) as $killed
  | if settings["ignore-sigterm"] == "true" then $killed
    else [(settings["sigterm-after"] // "300ms" | seconds), $killed] | min end;

# When the containers began to run: our own note, since startedAt has lost the fraction, but where others wrote the status.
def running_since:
  .status.containerStatuses[0]
  | (.containerID | ltrimstr("kwok://") | tonumber / 1000)? // (.state.running.startedAt // "" | fromdate? | noticed);

def deletion($delay):
  select(.metadata.deletionTimestamp)
  | (.metadata.deletionTimestamp | fromdate) - .metadata.deletionGracePeriodSeconds
  | {what: "deletion", at: (noticed + $delay)};

def deadline($delay):
  select(.spec.activeDeadlineSeconds and .status.startTime)
  | (.status.startTime | fromdate) + .spec.activeDeadlineSeconds + $delay
  | {what: "deadline", at: (if . < now then now + $delay else . end)};  # it may have been lowered into the past

# What the containers do by themselves: run on, unless they were told otherwise.
def own_end:
  settings as $told
  | select($told | has("exit-after") or has("exit-code") or (.fail | IN("oom", "evicted", "unknown", "node-lost")))
  | {what: (if $told.fail == "node-lost" then $told.fail else "end" end),
     at: (running_since + ($told["exit-after"] // "1s" | seconds))};

# When the pod was bound to its node: then the kubelet comes to know it. Nobody is obliged to leave that condition there.
def scheduled_at:
  first((.status.conditions[]? | select(.type == "PodScheduled").lastTransitionTime | values),
        (.status.startTime | values),
        .metadata.creationTimestamp)
  | fromdate | noticed;

# Bound to a node, its containers not yet running. The write that shows them waiting is spared where they start soon.
# What was deleted meanwhile doesn't start any more, however long it ought to have run by now.
def start:
  select(.metadata.deletionTimestamp | not)
  | settings as $told
  | .status.containerStatuses[0].state.waiting.reason as $waiting
  | if $waiting == null and ($told | has("start-after") or (.fail | IN("image-pull", "config"))) then
      {what: "wait", at: now}
    elif $told.fail | IN("image-pull", "config") then
      select($waiting | IN("ContainerCreating", "ErrImagePull"))
      | {what: "wait", at: (now + (if $waiting == "ErrImagePull" then 2 else 0.3 end))}
    else
      select($told["start-after"] != "never")
      | {what: "start", at: (scheduled_at + ($told["start-after"] // "600ms" | seconds))}
    end;

# The containers have ended: the pod goes, as far as the kubelet is concerned. With a grace of 0 nothing is left to say.
def removal:
  select(.metadata.deletionTimestamp and .metadata.deletionGracePeriodSeconds != 0)
  | {what: "removal", at: (now + 0.1)};

def next_event:
  if .status.phase == "Pending" then
    [deletion(0.1), deadline(0), start]
  elif .status.phase == "Running" then
    [deletion(stopping(.metadata.deletionGracePeriodSeconds)),
     deadline(stopping(.spec.terminationGracePeriodSeconds)),
     own_end]
  else
    [removal]
  end
  | min_by(.at);

# How KWOK wants to be told the time left: never too little, or the second that is written down may be the one before.
def time_left: ([.at - now, 0] | max) * 1000 | ceil | "\(.)ms";
