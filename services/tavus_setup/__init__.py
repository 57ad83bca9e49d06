"""What is set up at Tavus itself: objectives, a persona, and the callback URLs they hold."""
