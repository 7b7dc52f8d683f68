"""Where memories come from by themselves: folders, buckets, repositories, streams, webhooks."""
