"""What the API server refuses of a pod's specification beyond the shape of its fields.

The rules are those of `pkg/apis/core/validation` in Kubernetes' source, by subject.
"""
